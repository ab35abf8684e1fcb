import { parseArgs } from "node:util";
import { upgrade } from "./upgrade.ts";

const { values } = parseArgs({
	options: {
		from: { type: "string" },
		to: { type: "string", default: "dist/standpipe" },
		messages: { type: "string", default: "1000" },
	},
});
if (values.from === undefined) throw new RangeError("--from BINARY: the release before; --to BINARY: the one after it");

// The relay is in a process group of its own, and ends when this process exits in an orderly way.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(1));

const { sent, sentMeanwhile, downMs } = await upgrade(
	[values.from, "serve"],
	[values.to, "serve"],
	Number(values.messages),
);
console.log(
	`${sent} messages sent, ${sentMeanwhile} of them in the ${(downMs / 1000).toFixed(1)} s without a relay. Nothing lost, nothing twice, no seq left out.`,
);
