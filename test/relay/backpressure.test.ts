import { expect, test } from "bun:test";
import { bulkyCommit } from "./bulky-commit.ts";
import { RelayRig, until } from "./rig.ts";

const HOST_BUFFER_BYTES = 5_000_000;
const COMMITS = 120;

test("a host whose messages must wait is paused at its budget; nothing is dropped, and the other host goes on", async () => {
	const rig = await RelayRig.start(
		{ seed: "backpressure", hosts: 2, accounts: 2 },
		{ RELAY_HOST_BUFFER_BYTES: String(HOST_BUFFER_BYTES) },
	);
	try {
		const { network } = rig;
		const [stuck, free] = network.accounts;
		if (stuck === undefined || free === undefined) throw new Error("the network has two accounts");
		network.plc.setFault(stuck.did, { kind: "hang" });
		for (let i = 0; i < COMMITS; i++) network.send(stuck, await bulkyCommit(stuck));
		await until(async () => (await rig.stats()).counters.of("host_pauses_total") > 0);

		// The relay read more than the budget before the pause took effect, but by far not all that there was.
		const { counters } = await rig.stats();
		expect(counters.of("inflight_bytes")).toBeGreaterThan(HOST_BUFFER_BYTES);
		expect(counters.of("inflight_bytes")).toBeLessThan(HOST_BUFFER_BYTES + 3_000_000);
		expect(counters.of("frames_received_total")).toBeLessThan(COMMITS);

		const neighbourly = await free.commit();
		network.send(free, neighbourly);
		await until(() => rig.received(free.did).includes(`commit ${neighbourly.rev}`));

		network.plc.clearFaults();
		await until(() => rig.received(stuck.did).length >= COMMITS);
		expect(rig.received(stuck.did)).toEqual(rig.expected(stuck.did));
		expect((await rig.stats()).counters.of("inflight_bytes")).toBe(0);
		expect(Object.values((await rig.stats()).rejected).every((count) => count === 0)).toBe(true);
	} finally {
		await rig.stop();
	}
}, 300_000);
