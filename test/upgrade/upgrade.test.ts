import { expect, test } from "bun:test";
import { RELAY_COMMAND } from "../relay/rig.ts";
import { upgrade } from "./upgrade.ts";

/** `bun test/upgrade/run.ts --from BINARY` does the same with the release before. */
test("a stop and a start with the data of the process before: consumers miss nothing", async () => {
	const { sent } = await upgrade(RELAY_COMMAND, RELAY_COMMAND, 100);
	expect(sent).toBeGreaterThan(200);
}, 300_000);
