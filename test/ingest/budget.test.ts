import { expect, test } from "bun:test";
import { Backoff } from "../../src/ingest/backoff.ts";
import { Budget } from "../../src/ingest/budget.ts";

function hostOf(budget: Budget, bytesMax: number) {
	const log: string[] = [];
	const host = budget.host(bytesMax, { pause: () => log.push("pause"), resume: () => log.push("resume") });
	return { host, log };
}

test("a host over its budget is paused, and goes on at half of it", () => {
	const budget = new Budget(1_000_000);
	const { host, log } = hostOf(budget, 10_000);
	const held = [1, 2, 3].map(() => host.hold(4_000));
	expect(log).toEqual(["pause"]);
	host.release(held[0] ?? 0);
	expect(log).toEqual(["pause"]);
	host.release(held[1] ?? 0);
	expect(log).toEqual(["pause", "resume"]);
	host.release(held[2] ?? 0);
	expect(budget.held).toBe(0);
});

test("with the worker's budget used up, whoever reads is paused, and wakes when others are done", () => {
	const budget = new Budget(20_000);
	const busy = hostOf(budget, 100_000);
	const quiet = hostOf(budget, 100_000);
	const held = busy.host.hold(25_000);
	expect(busy.log).toEqual(["pause"]);
	const small = quiet.host.hold(10);
	expect(quiet.log).toEqual(["pause"]);
	quiet.host.release(small);
	expect(quiet.log).toEqual(["pause"]);
	busy.host.release(held);
	expect(busy.log).toEqual(["pause", "resume"]);
	expect(quiet.log).toEqual(["pause", "resume"]);
});

test("backoff grows, is capped, never ends, and forgets only after progress", () => {
	const backoff = new Backoff(() => 1);
	const delays = Array.from({ length: 30 }, () => backoff.ended(false, 10));
	expect(delays.slice(0, 4)).toEqual([1_000, 2_000, 4_000, 8_000]);
	expect(delays.at(-1)).toBe(15 * 60_000);
	expect(backoff.offline).toBe(true);
	expect(backoff.ended(true, 10)).toBe(1_000);
	expect(backoff.offline).toBe(false);
	// A quiet host that held its connection is not a failing one.
	for (let i = 0; i < 20; i++) expect(backoff.ended(false, 61_000)).toBe(1_000);
});
