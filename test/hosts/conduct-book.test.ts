import { expect, test } from "bun:test";
import { ConductBook } from "../../src/hosts/conduct-book.ts";
import { connectionOf, initialState, next } from "../../src/hosts/state.ts";
import { NEVER_CONNECTED } from "../../src/log/record/host-connection.ts";
import { dayOf, isGoodDay } from "../../src/policy/growth.ts";
import { Rng } from "../../src/sim/rng.ts";
import { FakeTiming } from "../sim/fake-timing.ts";

const EPOCH_MS = 1_700_000_000_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const HOSTS = [1, 2, 700, 1_439, 1_440];

/** What came of a host, at a time, while the relay ran for the nth time. */
interface Came {
	hostId: number;
	atMs: number;
	run: number;
	messages: number;
	failed: number;
}

/** The good days of a host: those that ended while the relay ran that has seen their end, by what that one has counted. */
function goodDaysOf(hostId: number, came: readonly Came[], runEndsMs: readonly number[]): Set<number> {
	const good = new Set<number>();
	for (const [run, endMs] of runEndsMs.entries()) {
		const own = came.filter((one) => one.hostId === hostId && one.run === run);
		for (const day of new Set(own.map(({ atMs }) => dayOf(hostId, atMs)))) {
			const ofDay = own.filter(({ atMs }) => dayOf(hostId, atMs) === day);
			const sum = (field: "messages" | "failed"): number => ofDay.reduce((all, one) => all + one[field], 0);
			if (dayOf(hostId, endMs) > day && isGoodDay({ messages: sum("messages"), failed: sum("failed") })) good.add(day);
		}
	}
	return good;
}

test("the good days of each host are counted, each once, whatever comes when and whenever the relay starts anew", () => {
	const rng = new Rng("conduct");
	for (let round = 0; round < 60; round++) {
		const timing = new FakeTiming();
		const nowMs = (): number => EPOCH_MS + timing.nowMs();
		const states = new Map(HOSTS.map((hostId) => [hostId, initialState(NEVER_CONNECTED, 1)]));
		const came: Came[] = [];
		const runEndsMs: number[] = [];
		for (let run = 0; run < 3; run++) {
			const book = new ConductBook({
				timing,
				nowMs,
				onGoodDay(hostId, day) {
					const state = states.get(hostId);
					if (state !== undefined) states.set(hostId, next(state, { type: "goodDay", day }, nowMs()).state);
				},
			});
			const failsOften = rng.int(2) === 0;
			for (let step = 0; step < 40; step++) {
				const hostIds = HOSTS.filter(() => rng.int(2) === 0);
				const counts = hostIds.map((hostId) => {
					const failed = failsOften ? rng.int(4) : Number(rng.int(9) === 0);
					return { hostId, messages: rng.int(60), failed };
				});
				book.note(counts);
				came.push(...counts.map((one) => ({ ...one, atMs: nowMs(), run })));
				timing.pass(rng.pick([60_000, HOUR_MS, 7 * HOUR_MS, rng.int(40 * HOUR_MS)]));
			}
			// Every day is found to have ended.
			timing.pass(HOUR_MS);
			runEndsMs.push(nowMs());
			book.stop();
			for (const [hostId, state] of states) states.set(hostId, initialState(connectionOf(state), 1));
		}
		for (const hostId of HOSTS) {
			// The last check of a run may have come up to ten minutes before its end.
			const [least, most] = [600_000, 0].map((ms) =>
				goodDaysOf(
					hostId,
					came,
					runEndsMs.map((endMs) => endMs - ms),
				),
			);
			const counted = states.get(hostId)?.goodDays ?? 0;
			expect(counted).toBeGreaterThanOrEqual(least?.size ?? 0);
			expect(counted).toBeLessThanOrEqual(most?.size ?? 0);
		}
	}
});

test("no time is spent while nothing comes, and none after a stop", () => {
	const timing = new FakeTiming();
	const days: [hostId: number, day: number][] = [];
	const book = new ConductBook({
		timing,
		nowMs: () => EPOCH_MS + timing.nowMs(),
		onGoodDay: (hostId, day) => void days.push([hostId, day]),
	});
	book.note([]);
	expect(timing.waiting).toBe(0);
	const day = dayOf(5, EPOCH_MS + timing.nowMs());
	book.note([{ hostId: 5, messages: 9, failed: 0 }]);
	timing.pass(DAY_MS + 600_000);
	expect(days).toEqual([[5, day]]);
	expect(timing.waiting).toBe(0);
	book.note([{ hostId: 5, messages: 9, failed: 0 }]);
	book.stop();
	timing.pass(3 * DAY_MS);
	expect(days).toHaveLength(1);
	expect(timing.waiting).toBe(0);
});
