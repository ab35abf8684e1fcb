import { describe, expect, test } from "bun:test";
import { Live, SAMPLE_INTERVAL_MS, SAMPLES_MAX } from "../../src/dashboard/live.ts";
import type { Reading } from "../../src/dashboard/reading.ts";
import { FakeTiming } from "../sim/fake-timing.ts";
import { reading } from "./reading.ts";

interface Text {
	status: { level: string; sinceMs: number; atMs: number };
	columns: string[];
	sample: number;
	nextMs: number;
	rows: unknown[][];
}

function rig() {
	const timing = new FakeTiming();
	let reads = 0;
	let values: Partial<Reading> = {};
	const live = new Live(() => {
		reads++;
		return reading({ ...values, atMs: timing.nowMs() });
	}, timing);
	return {
		timing,
		live,
		reads: () => reads,
		set: (next: Partial<Reading>) => {
			values = next;
		},
		text: (sinceMs = 0) => JSON.parse(live.textSince(sinceMs)) as Text,
	};
}

describe("what is measured for the dashboard", () => {
	test("is measured by the clock, however many ask", () => {
		const { timing, reads, text } = rig();
		timing.pass(10 * SAMPLE_INTERVAL_MS);
		for (let asked = 0; asked < 100; asked++) text();
		expect(reads()).toBe(11);
		expect(text().rows).toHaveLength(10);
	});

	test("is kept for a limited time, and told from the time on that is asked for", () => {
		const { timing, text } = rig();
		timing.pass((SAMPLES_MAX + 50) * SAMPLE_INTERVAL_MS);
		const { rows } = text();
		expect(rows).toHaveLength(SAMPLES_MAX);
		const lastMs = timing.nowMs();
		expect(rows.at(-1)?.[0]).toBe(lastMs);
		expect(text(lastMs - 3 * SAMPLE_INTERVAL_MS).rows.map(([atMs]) => atMs)).toEqual(
			[2, 1, 0].map((before) => lastMs - before * SAMPLE_INTERVAL_MS),
		);
		expect(text(lastMs).rows).toEqual([]);
	});

	test("comes with the time until the next sample, and with the number of the last one", () => {
		const { timing, text } = rig();
		expect(text()).toMatchObject({ sample: 0, nextMs: SAMPLE_INTERVAL_MS });
		timing.pass(3 * SAMPLE_INTERVAL_MS + 500);
		expect(text()).toMatchObject({ sample: 3, nextMs: SAMPLE_INTERVAL_MS - 500 });
	});

	test("says since when the relay is as it is", () => {
		const { timing, set, text } = rig();
		const startMs = timing.nowMs();
		timing.pass(5 * SAMPLE_INTERVAL_MS);
		expect(text().status).toMatchObject({ level: "ok", sinceMs: startMs });
		set({ fault: "the log can't be written" });
		timing.pass(SAMPLE_INTERVAL_MS);
		const faultMs = timing.nowMs();
		timing.pass(4 * SAMPLE_INTERVAL_MS);
		expect(text().status).toMatchObject({ level: "fault", sinceMs: faultMs, atMs: timing.nowMs() });
		set({});
		timing.pass(SAMPLE_INTERVAL_MS);
		expect(text().status).toMatchObject({ level: "ok", sinceMs: timing.nowMs() });
	});

	test("is not measured any more after a stop", () => {
		const { timing, live, reads } = rig();
		live.stop();
		expect(timing.waiting).toBe(0);
		expect(reads()).toBe(1);
	});
});
