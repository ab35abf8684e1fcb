import { expect, test } from "bun:test";
import { Rng } from "../../../src/sim/rng.ts";
import { observed } from "../../observe/counted.ts";
import { TestLog, temporaryDirectory } from "../harness.ts";
import { MemoryFs } from "./memory-fs.ts";

/** A log on a disk whose syncs of segments take as long as `syncMs` says, by the log's own clock. */
function slowLog(syncMode: "always" | "write"): { log: TestLog; disk: { syncMs: number } } {
	const fs = new MemoryFs();
	const disk = { syncMs: 0 };
	let nowMs = 1_000;
	const log = new TestLog(temporaryDirectory(), fs, { syncMode, elapsedMs: () => nowMs });
	fs.fault = (call) => {
		if (/^sync .*\.seg$/.test(call)) nowMs += disk.syncMs;
		else nowMs += 0.25;
	};
	return { log, disk };
}

for (const syncMode of ["always", "write"] as const) {
	test(`each sync in mode ${syncMode} is timed once`, async () => {
		const rng = new Rng(`sync seconds ${syncMode}`);
		const { log, disk } = slowLog(syncMode);
		let slowMs = 0;
		for (let batch = 0; batch < 200; batch++) {
			disk.syncMs = rng.pick([1, 3, rng.int(2_000)]);
			log.appendLabels([`label ${batch}`]);
			if (syncMode === "write" && rng.int(2) === 0) continue;
			if (syncMode === "write") await log.writer.syncInBackground();
			slowMs += disk.syncMs;
		}
		const { total, distributions } = observed(log.counters, "log_sync_seconds");
		expect(total).toBe(log.count("log_syncs_total"));
		expect(total).toBeGreaterThan(50);
		// A write takes a quarter of a millisecond in addition to each sync.
		const seconds = distributions[0]?.sum ?? 0;
		expect(seconds).toBeGreaterThanOrEqual(slowMs / 1000);
		expect(seconds).toBeLessThanOrEqual((slowMs + total) / 1000);
	});
}

test("a sync that fails is not timed", () => {
	const fs = new MemoryFs();
	const log = new TestLog(temporaryDirectory(), fs);
	log.appendLabels(["first"]);
	const { total } = observed(log.counters, "log_sync_seconds");
	fs.fault = (call) => {
		if (call.startsWith("sync")) throw Object.assign(new Error("EIO"), { code: "EIO" });
	};
	log.appendLabels(["second"]);
	expect(observed(log.counters, "log_sync_seconds").total).toBe(total);
	expect(log.count("log_syncs_total")).toBe(total);
});
