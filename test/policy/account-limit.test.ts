import { expect, test } from "bun:test";
import { accountLimitOf } from "../../src/policy/account-limit.ts";

test("what an admin has set wins, also for a trusted host, and also if it is 0; else a trusted host may have any number", () => {
	for (const isTrusted of [false, true])
		for (const own of [0, 1, 99, 1_000]) expect(accountLimitOf({ own, isTrusted, general: 100 })).toBe(own);
	expect(accountLimitOf({ own: null, isTrusted: true, general: 100 })).toBe(null);
	for (const general of [0, 100]) expect(accountLimitOf({ own: null, isTrusted: false, general })).toBe(general);
});
