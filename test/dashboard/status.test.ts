import { describe, expect, test } from "bun:test";
import type { Reading } from "../../src/dashboard/reading.ts";
import { sampleBetween } from "../../src/dashboard/sample.ts";
import { INDEX_LAG_MAX, type Status, statusOf } from "../../src/dashboard/status.ts";
import { Rng } from "../../src/sim/rng.ts";
import { reading } from "./reading.ts";

/** The status after two seconds in which this changed. */
function after(before: Partial<Reading>, now: Partial<Reading>, hostsConnectedMax = 0): Status {
	const [first, second] = [reading({ ...before, atMs: 1_000 }), reading({ ...now, atMs: 3_000 })];
	const past = { consumersTooSlow: first.consumersTooSlow, hostsConnectedMax, startedAtMs: 0 };
	return statusOf(second, sampleBetween(first, second), past);
}

/** Each problem: what makes it, and what just does not. */
const PROBLEMS: readonly { words: string; makes: () => Status; almost: () => Status }[] = [
	{
		words: "hosts are connected",
		makes: () => after({}, { hostsConnected: 7 }, 10),
		almost: () => after({}, { hostsConnected: 8 }, 10),
	},
	{
		words: "messages are rejected",
		makes: () => after({}, { received: 100, rejected: { "rev-stale": 8, "did-syntax": 3 } }),
		almost: () => after({}, { received: 100, rejected: { "rev-stale": 8, "did-syntax": 2 } }),
	},
	{
		words: "behind the log",
		makes: () => after({}, { indexLag: INDEX_LAG_MAX + 1 }),
		almost: () => after({}, { indexLag: INDEX_LAG_MAX }),
	},
	{
		words: "disk",
		makes: () => after({}, { diskReserveBytes: 500, diskFreeBytes: 999 }),
		almost: () => after({}, { diskReserveBytes: 500, diskFreeBytes: 1000 }),
	},
	{
		words: "too slow",
		makes: () => after({ consumersTooSlow: 2 }, { consumersTooSlow: 3 }),
		almost: () => after({ consumersTooSlow: 3 }, { consumersTooSlow: 3 }),
	},
	{ words: "damaged", makes: () => after({}, { logGaps: 1 }), almost: () => after({ logGaps: 0 }, { logGaps: 0 }) },
];

describe("the status", () => {
	test.each(PROBLEMS)("has a problem with what to do: $words", ({ words, makes, almost }) => {
		const { level, problems } = makes();
		expect(level).toBe("warning");
		expect(problems).toHaveLength(1);
		expect(problems[0]?.text).toContain(words);
		expect(problems[0]?.advice).not.toBe("");
		expect(almost()).toMatchObject({ level: "ok", problems: [] });
	});

	test("is a fault whatever else is wrong, and its reason comes first", () => {
		const { level, problems } = after({}, { fault: "the log can't be written", logGaps: 1 });
		expect(level).toBe("fault");
		expect(problems.map(({ text }) => text)).toEqual(["the log can't be written", expect.stringContaining("damaged")]);
	});

	test("is that of a start until the relay serves, also if something is wrong", () => {
		expect(after({}, { isServing: false }).level).toBe("starting");
		expect(after({}, { isServing: false, fault: "the database is away" })).toMatchObject({
			level: "starting",
			problems: [{ text: "the database is away" }],
		});
	});

	test("has the same tiles each time, with words for all numbers", () => {
		const rng = new Rng("tiles");
		const names = after({}, {}).tiles.map(({ name }) => name);
		for (let round = 0; round < 200; round++) {
			const any = (): number => rng.int(2 ** rng.int(40));
			const { tiles } = after(
				{ received: any() },
				{
					received: any(),
					delivered: any(),
					hostsKnown: any(),
					residentBytes: any(),
					diskFreeBytes: any(),
					lastSeq: any(),
				},
			);
			expect(tiles.map(({ name }) => name)).toEqual(names);
			for (const { text, note } of tiles) expect(`${text} ${note}`).not.toMatch(/NaN|undefined|Infinity|null|-\d/);
		}
	});
});
