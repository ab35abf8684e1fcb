import { expect, test } from "bun:test";
import { EdgeFailure } from "./edge-failure.ts";
import { EdgeRig } from "./edge-rig.ts";
import { ODD_KINDS } from "./odd-frames.ts";

/** `make fuzz-edge` sends more of them. */
const MESSAGES = 4_000;
const SEED = "edge";
const REASONS_MIN = 25;

test("generated messages of every kind through the whole admission path do no harm", async () => {
	const rig = await EdgeRig.start(SEED);
	try {
		const { sent, good, compared, kinds, stats } = await rig.run(MESSAGES);
		await rig.stop();
		expect(sent).toBeGreaterThanOrEqual(MESSAGES);
		expect(good).toBeGreaterThan(0);
		// Every result occurred: accepted messages came out as they were sent, and many were rejected.
		expect(compared).toBeGreaterThan(MESSAGES / 4);
		expect(Object.keys(kinds).sort()).toEqual([...ODD_KINDS].sort());
		expect(Object.values(stats.rejected).filter((count) => count > 0).length).toBeGreaterThan(REASONS_MIN);
		expect(stats.rejected["status-syntax"]).toBeGreaterThan(0);
		const { counters } = stats;
		const ways = [
			...[
				counters.of("messages_verified_total"),
				counters.of("frames_noncanonical_total"),
				counters.of("frames_ignored_total"),
			],
			...[counters.of("host_infos_total"), counters.of("host_errors_total"), counters.of("discontinuities_total")],
			...[counters.of("identity_refreshes_total"), counters.of("host_gaps_total")],
		];
		expect(Math.min(...ways)).toBeGreaterThan(0);
	} catch (error) {
		await rig.abort();
		throw error instanceof EdgeFailure ? new Error(error.describe(SEED)) : error;
	}
}, 300_000);
