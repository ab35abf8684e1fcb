import { describe, expect, test } from "bun:test";
import type { Consumer } from "../../src/fanout/consumer.ts";
import { Roster, workerOfConsumer } from "../../src/fanout/roster.ts";
import { Rng } from "../../src/sim/rng.ts";

/** The part of a consumer that a roster looks at. */
interface FakeConsumer {
	framesSent: number;
	bytesSent: number;
	bufferedBytes: number;
	lag: () => number | null;
	close: (code: number, reason: string) => void;
	closedWith: number | null;
}

function fakeConsumer(): FakeConsumer {
	const fake: FakeConsumer = {
		...{ framesSent: 0, bytesSent: 0, bufferedBytes: 0, closedWith: null },
		lag: () => 7,
		close: (code) => {
			fake.closedWith = code;
		},
	};
	return fake;
}

const asConsumer = (fake: FakeConsumer): Consumer => fake as unknown as Consumer;
const ORIGIN = { ip: "192.0.2.1", userAgent: "a/1", stream: "subscribeRepos" };

describe("the rosters of several threads", () => {
	test("give each consumer another id, list all of them by id in pages, and find each by its id", () => {
		const rng = new Rng("rosters");
		for (let round = 0; round < 50; round++) {
			const workers = 1 + rng.int(5);
			const rosters = Array.from({ length: workers }, (_, worker) => {
				return new Roster({ worker, workers, lastLsn: () => 0, clock: () => 0, nowMs: () => 0 });
			});
			const there: FakeConsumer[] = [];
			const rosterOf = new Map<FakeConsumer, Roster>();
			for (let step = 0; step < 60; step++) {
				if (there.length > 0 && rng.int(3) === 0) {
					const [gone] = there.splice(rng.int(there.length), 1);
					if (gone !== undefined) rosterOf.get(gone)?.remove(asConsumer(gone));
				} else {
					const consumer = fakeConsumer();
					const roster = rng.pick(rosters);
					roster.add(asConsumer(consumer), ORIGIN);
					there.push(consumer);
					rosterOf.set(consumer, roster);
				}
			}
			const limit = 1 + rng.int(4);
			const ids: number[] = [];
			for (let after = 0; ; after = ids.at(-1) ?? 0) {
				const page = rosters
					.flatMap((roster) => roster.consumers(after, limit))
					.sort((a, b) => a.id - b.id)
					.slice(0, limit);
				if (page.length === 0) break;
				ids.push(...page.map(({ id }) => id));
			}
			expect(new Set(ids).size).toBe(there.length);
			expect(ids).toEqual([...ids].sort((a, b) => a - b));
			for (const id of ids) expect(rosters[workerOfConsumer(id, workers)]?.dropConsumer(id)?.id).toBe(id);
			expect(there.every(({ closedWith }) => closedWith === 1008)).toBe(true);
			expect(rosters.every((roster) => roster.dropConsumer(1_000) === null)).toBe(true);
		}
	});
});

describe("a consumer in the roster", () => {
	test("is told with what it was sent, how far behind it is, and how fast it takes", () => {
		let nowMs = 5_000;
		const roster = new Roster({ worker: 0, workers: 1, lastLsn: () => 0, clock: () => nowMs, nowMs: () => 77 });
		const consumer = fakeConsumer();
		roster.add(asConsumer(consumer), ORIGIN);
		const told = { id: 1, ...ORIGIN, connectedAtMs: 77, lag: 7, bufferedBytes: 0 };
		expect(roster.consumers(0, 10)).toEqual([{ ...told, framesSent: 0, bytesSent: 0, framesPerS: null }]);
		consumer.framesSent = 300;
		consumer.bytesSent = 9;
		nowMs += 2_000;
		roster.measure();
		roster.measure();
		expect(roster.consumers(0, 10)).toEqual([{ ...told, framesSent: 300, bytesSent: 9, framesPerS: 150 }]);
		nowMs += 5_000;
		roster.measure();
		expect(roster.consumers(0, 10)[0]?.framesPerS).toBe(0);
		roster.remove(asConsumer(consumer));
		expect(roster.consumers(0, 10)).toEqual([]);
	});

	test("may say of itself what it likes: a part of that is kept", () => {
		const roster = new Roster({ worker: 0, workers: 1, lastLsn: () => 0, clock: () => 0, nowMs: () => 0 });
		roster.add(asConsumer(fakeConsumer()), { ...ORIGIN, userAgent: `${"x".repeat(199)}\u{1f6b0}` });
		expect(roster.consumers(0, 1)[0]?.userAgent).toBe(`${"x".repeat(199)}\ufffd`);
	});
});
