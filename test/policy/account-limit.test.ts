import { describe, expect, test } from "bun:test";
import type { AccountGrowth } from "../../src/config/setting.ts";
import { type AccountLimitFacts, accountLimitOf } from "../../src/policy/account-limit.ts";
import { Rng } from "../../src/sim/rng.ts";

function generated(rng: Rng): AccountLimitFacts {
	return {
		own: rng.pick([null, 0, 1, rng.int(5_000)]),
		isTrusted: rng.int(3) === 0,
		general: rng.pick([0, 100, rng.int(5_000)]),
		goodDays: rng.int(400),
		growth: rng.pick([null, { perDay: 1 + rng.int(50), max: 1 + rng.int(5_000) }]),
	};
}

/** The limit day by day: it grows each good day, and stops at the end of growth. */
function grown(general: number, days: number, { perDay, max }: AccountGrowth): number {
	let limit = general;
	for (let day = 0; day < days; day++) if (limit < max) limit = Math.min(max, limit + perDay);
	return limit;
}

describe("the account limit of a host", () => {
	test("is what an admin has set, else any number if it is trusted, else the general one and what has grown since", () => {
		const rng = new Rng("account limits");
		for (let round = 0; round < 5_000; round++) {
			const facts = generated(rng);
			const { own, isTrusted, general, goodDays, growth } = facts;
			const limit = accountLimitOf(facts);
			if (own !== null) expect(limit).toBe(own);
			else if (isTrusted) expect(limit).toBe(null);
			else expect(limit).toBe(growth === null ? general : grown(general, goodDays, growth));
		}
	});

	test("never falls by a good day", () => {
		const rng = new Rng("account limits grow");
		for (let round = 0; round < 1_000; round++) {
			const facts = { ...generated(rng), own: null, isTrusted: false };
			const [before, after] = [accountLimitOf(facts), accountLimitOf({ ...facts, goodDays: facts.goodDays + 1 })];
			expect(after ?? 0).toBeGreaterThanOrEqual(before ?? 0);
			expect(before ?? 0).toBeGreaterThanOrEqual(facts.general);
		}
	});
});
