import { describe, expect, test } from "bun:test";
import { dayOf, FAILED_FREE, isGoodDay, isHostsFault, MESSAGES_PER_FAILED } from "../../src/policy/growth.ts";
import { REJECTION_REASON_NAMES } from "../../src/protocol/reasons.ts";
import { Rng } from "../../src/sim/rng.ts";

const DAY_MS = 24 * 3_600_000;

describe("a good day", () => {
	test("has messages, of which a few may fail, and beyond those one of a hundred", () => {
		for (const [messages, failed, isGood] of [
			[0, 0, false],
			[1, 0, true],
			[1, 1, false],
			[2, 1, false],
			[3, 1, true],
			[6, 3, false],
			[7, 3, true],
			[7, 4, false],
			[399, 4, false],
			[400, 4, true],
			[100_000, 1_000, true],
			[100_000, 1_001, false],
		] as const)
			expect([messages, failed, isGoodDay({ messages, failed })]).toEqual([messages, failed, isGood]);
	});

	test("is no worse with more messages or fewer failures, and never has more failures than both rules allow", () => {
		const rng = new Rng("good days");
		for (let round = 0; round < 10_000; round++) {
			const [messages, failed] = [rng.int(2_000), rng.int(30)];
			const isGood = isGoodDay({ messages, failed });
			if (!isGood) continue;
			expect(failed).toBeLessThanOrEqual(Math.max(FAILED_FREE, messages / MESSAGES_PER_FAILED));
			expect(isGoodDay({ messages: messages + 1, failed })).toBe(true);
			if (failed > 0) expect(isGoodDay({ messages, failed: failed - 1 })).toBe(true);
		}
	});
});

test("a host's days are 24 hours long, and those of hosts with other ids begin at other minutes", () => {
	const rng = new Rng("days");
	for (let round = 0; round < 1_000; round++) {
		const [hostId, nowMs] = [1 + rng.int(100_000), 1_700_000_000_000 + rng.int(10 * DAY_MS)];
		const day = dayOf(hostId, nowMs);
		expect(dayOf(hostId, nowMs + DAY_MS)).toBe(day + 1);
		const lengthMs = rng.int(DAY_MS);
		expect(dayOf(hostId, nowMs + lengthMs) - day).toBeLessThanOrEqual(1);
	}
	const begins = (hostId: number): number => {
		let minute = 0;
		while (dayOf(hostId, minute * 60_000) === dayOf(hostId, (minute + 1) * 60_000)) minute++;
		return minute;
	};
	expect(new Set(Array.from({ length: 20 }, (_, hostId) => begins(hostId))).size).toBe(20);
});

test("what follows from the relay, its operator or an outage does not speak against a host", () => {
	expect(REJECTION_REASON_NAMES.filter((reason) => !isHostsFault(reason))).toEqual([
		"internal-error",
		"identity-unresolvable",
		"account-inactive",
		"account-throttled",
	]);
});
