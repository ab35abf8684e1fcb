import { expect, test } from "bun:test";
import { DayQuota } from "../../src/hosts/day-quota.ts";

const HOUR_MS = 3_600_000;

test("gives out no more than the quota within any 24 hours", () => {
	let nowMs = 1_000_000;
	const quota = new DayQuota(
		() => 2,
		() => nowMs,
	);
	expect(quota.take()).toBe(true);
	nowMs += 12 * HOUR_MS;
	expect(quota.take()).toBe(true);
	expect(quota.take()).toBe(false);
	nowMs += 12 * HOUR_MS;
	expect(quota.take()).toBe(true);
	expect(quota.take()).toBe(false);
});

test("takes back what was not used", () => {
	const quota = new DayQuota(
		() => 1,
		() => 0,
	);
	expect(quota.take()).toBe(true);
	quota.giveBack();
	expect(quota.take()).toBe(true);
	expect(quota.take()).toBe(false);
});

test("a quota of 0 gives none", () => {
	expect(
		new DayQuota(
			() => 0,
			() => 0,
		).take(),
	).toBe(false);
});

test("says when there is one again", () => {
	let nowMs = 0;
	const quota = new DayQuota(
		() => 1,
		() => nowMs,
	);
	expect(quota.waitMs()).toBe(0);
	quota.take();
	nowMs += HOUR_MS;
	expect(quota.waitMs()).toBe(23 * HOUR_MS);
	nowMs += 23 * HOUR_MS;
	expect([quota.waitMs(), quota.take()]).toEqual([0, true]);
	expect(
		new DayQuota(
			() => 0,
			() => 0,
		).waitMs(),
	).toBe(24 * HOUR_MS);
});
