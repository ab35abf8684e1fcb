import { describe, expect, test } from "bun:test";
import { SlidingWindow } from "../../../src/ingest/host/sliding-window.ts";
import { Rng } from "../../../src/sim/rng.ts";

/** Times of events: runs of a random length, each with a random mean distance, from none to several windows. */
function eventTimes(rng: Rng, windowMs: number): number[] {
	const timesMs: number[] = [];
	let nowMs = rng.float() * windowMs;
	while (timesMs.length < 3_000) {
		const distanceMs = rng.pick([0, 0.3, 1, windowMs / 500, windowMs / 50, windowMs / 7, windowMs * 1.5]);
		for (let left = 1 + rng.int(300); left > 0; left--) {
			timesMs.push(nowMs);
			nowMs += distanceMs * rng.float() * 2;
			if (rng.int(4) === 0) nowMs = Math.ceil(nowMs);
		}
	}
	return timesMs;
}

/** How many of the events, which are in order, were in the time before now, from a log of all of them. */
function countSince(timesMs: readonly number[], nowMs: number, agoMs: number): number {
	let count = 0;
	for (let at = timesMs.length - 1; at >= 0 && nowMs < (timesMs[at] ?? 0) + agoMs; at--) count++;
	return count;
}

describe("a sliding window", () => {
	test.each([
		["a second", 1_000, 2_048],
		["an hour", 3_600_000, 512],
		["a day, with few slots", 86_400_000, 16],
		["the least", 10, 8],
	])("of %s counts no event too short, and none longer than its slots explain", (seed, windowMs, slotsMax) => {
		const rng = new Rng(`window ${seed}`);
		const toleranceMs = (2 * windowMs) / slotsMax;
		let merged = 0;
		for (let round = 0; round < 20; round++) {
			const window = new SlidingWindow(windowMs, slotsMax);
			const logMs: number[] = [];
			for (const nowMs of eventTimes(rng, windowMs)) {
				window.add(nowMs);
				logMs.push(nowMs);
				const used = window.used(nowMs);
				expect(used).toBeGreaterThanOrEqual(countSince(logMs, nowMs, windowMs));
				expect(used).toBeLessThanOrEqual(countSince(logMs, nowMs, windowMs + toleranceMs));
				expect(window.slots).toBeLessThanOrEqual(slotsMax);
				if (used > slotsMax / 2) merged++;
			}
		}
		expect(merged).toBeGreaterThan(0);
	});

	test("is exact to the fraction of a millisecond as long as half of the slots are enough", () => {
		const rng = new Rng("exact");
		const window = new SlidingWindow(1_000, 2_048);
		const logMs: number[] = [];
		let nowMs = 0;
		for (let step = 0; step < 20_000; step++) {
			nowMs += rng.float() * rng.pick([0.1, 2, 2, 50]);
			if (countSince(logMs, nowMs, 1_000) < 1_000 && rng.int(3) > 0) {
				window.add(nowMs);
				logMs.push(nowMs);
			}
			expect(window.used(nowMs)).toBe(countSince(logMs, nowMs, 1_000));
		}
	});

	test("says when its count falls next: not before, and then at once", () => {
		const rng = new Rng("falls");
		const window = new SlidingWindow(1_000, 64);
		expect(window.fallsAtMs).toBe(Number.POSITIVE_INFINITY);
		let nowMs = 0;
		for (let step = 0; step < 5_000; step++) {
			nowMs += rng.int(40);
			if (rng.int(3) > 0) window.add(nowMs);
			const used = window.used(nowMs);
			if (used === 0) continue;
			const atMs = window.fallsAtMs;
			expect(atMs).toBeGreaterThan(nowMs);
			expect(window.used(atMs - 0.001)).toBe(used);
			if (rng.int(5) > 0) {
				nowMs = atMs - 0.001;
				continue;
			}
			expect(window.used(atMs)).toBeLessThan(used);
			nowMs = atMs;
		}
	});

	test("takes back any event, and counts the others as before", () => {
		for (const slotsMax of [2_048, 16]) {
			const rng = new Rng(`take back ${slotsMax}`);
			const window = new SlidingWindow(1_000, slotsMax);
			const logMs: number[] = [];
			const toleranceMs = 2_000 / slotsMax;
			let taken = 0;
			let nowMs = 0;
			for (let step = 0; step < 20_000; step++) {
				nowMs += rng.float() * rng.pick([0.5, 3, 3, 40]);
				window.add(nowMs);
				logMs.push(nowMs);
				if (rng.int(3) === 0) {
					// Mostly a late one, as a repeat is found soon.
					const at = Math.max(0, logMs.length - 1 - rng.int(rng.pick([1, 10, 2_000])));
					const [atMs] = logMs.splice(at, 1);
					if (atMs !== undefined) window.takeBack(atMs, nowMs);
					taken++;
				}
				if (logMs.length > 5_000) logMs.splice(0, 1_000);
				expect(window.used(nowMs)).toBeGreaterThanOrEqual(countSince(logMs, nowMs, 1_000));
				if (slotsMax > 16) expect(window.used(nowMs)).toBe(countSince(logMs, nowMs, 1_000));
				else expect(window.used(nowMs)).toBeLessThanOrEqual(countSince(logMs, nowMs, 1_000 + toleranceMs) + taken);
			}
		}
	});

	test("has room for little at first, and grows with what it counts", () => {
		const window = new SlidingWindow(1_000, 2_048);
		for (let at = 0; at < 5; at++) window.add(at);
		expect(window.slots).toBe(5);
		for (let at = 0; at < 1_000_000; at++) window.add(5 + at / 1_000);
		expect(window.slots).toBeLessThanOrEqual(2_048);
		expect(window.used(1_004)).toBeGreaterThanOrEqual(999_000);
		expect(window.used(3_000)).toBe(0);
		expect(window.slots).toBe(0);
	});
});
