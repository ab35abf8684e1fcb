import { describe, expect, test } from "bun:test";
import { type Latency, SHOWN_METRICS } from "../../src/dashboard/reading.ts";
import { COLUMNS, quantileMs, rowOf, sampleBetween } from "../../src/dashboard/sample.ts";
import { Rng } from "../../src/sim/rng.ts";
import { declaredMetrics } from "../docs/metrics-table.ts";
import { reading } from "./reading.ts";

const BOUNDS_S = [0.001, 0.005, 0.02, 0.1, 1, 10];

/** A histogram of these times. */
function latencyOf(timesS: readonly number[]): Latency {
	const upTo = BOUNDS_S.map((bound) => timesS.filter((time) => time <= bound).length);
	return { boundsS: BOUNDS_S, upTo: [...upTo, timesS.length] };
}

function bucketOf(timeS: number): number {
	const at = BOUNDS_S.findIndex((bound) => timeS <= bound);
	return at < 0 ? BOUNDS_S.length : at;
}

describe("a quantile", () => {
	test("is in the bucket of the time that has this rank, among the times between both readings", () => {
		const rng = new Rng("quantiles");
		for (let round = 0; round < 500; round++) {
			const timesOf = (count: number): number[] =>
				Array.from({ length: count }, () => (1 + rng.int(20_000)) / 10 ** (1 + rng.int(4)));
			const earlier = timesOf(rng.int(30));
			const later = timesOf(1 + rng.int(30));
			const share = (1 + rng.int(100)) / 100;
			const ms = quantileMs(latencyOf(earlier), latencyOf([...earlier, ...later]), share);
			const ranked = later.sort((a, b) => a - b)[Math.ceil(share * later.length) - 1] ?? 0;
			const at = bucketOf(ranked);
			const [lower, upper] = [BOUNDS_S[at - 1] ?? 0, BOUNDS_S[at] ?? BOUNDS_S.at(-1) ?? 0];
			// Of a time above all bounds it is only known that it is above them.
			if (at === BOUNDS_S.length) expect(ms).toBe(10_000);
			else {
				expect(ms).toBeGreaterThanOrEqual(1000 * lower);
				expect(ms).toBeLessThanOrEqual(1000 * upper);
			}
		}
	});

	test("is not known if no message was timed, or before any thread times them", () => {
		const same = latencyOf([0.5, 3]);
		expect(quantileMs(same, same, 0.5)).toBeNull();
		expect(quantileMs({ boundsS: [], upTo: [] }, { boundsS: [], upTo: [] }, 0.5)).toBeNull();
		expect(quantileMs({ boundsS: [], upTo: [] }, latencyOf([0.003]), 0.5)).toBeGreaterThan(1);
	});
});

describe("a sample", () => {
	test("has rates by the time between both readings, and leaves out reasons of which nothing came", () => {
		const before = reading({ atMs: 10_000, received: 100, rejected: { "rev-stale": 7, "mst-partial": 4 } });
		const after = reading({
			atMs: 14_000,
			received: 300,
			delivered: 10,
			rejected: { "rev-stale": 7, "mst-partial": 6, "did-syntax": 4 },
		});
		const sample = sampleBetween(before, after);
		expect(sample).toMatchObject({ atMs: 14_000, receivedPerS: 50, deliveredPerS: 2.5, sequencedPerS: 0 });
		expect(sample.rejectedPerS).toEqual({ "mst-partial": 0.5, "did-syntax": 1 });
	});

	test("is a row of JSON with a number or null for each column, and the rejections last", () => {
		const before = reading({ atMs: 1_000 });
		const sample = sampleBetween(before, reading({ atMs: 3_000, rejected: { "rev-stale": 1 }, logBytes: 9 }));
		const row = JSON.parse(rowOf(sample)) as unknown[];
		expect(row).toHaveLength(COLUMNS.length + 1);
		expect(row[COLUMNS.indexOf("atMs")]).toBe(3_000);
		expect(row[COLUMNS.indexOf("diskFreeBytes")]).toBeNull();
		expect(row.at(-1)).toEqual({ "rev-stale": 0.5 });
	});
});

test("every metric that the dashboard shows is declared by a thread", async () => {
	const declared = (await declaredMetrics()).map(({ name }) => name);
	expect(declared.length).toBeGreaterThan(50);
	expect(Object.values(SHOWN_METRICS).filter((name) => !declared.includes(name))).toEqual([]);
});
