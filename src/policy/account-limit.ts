import type { AccountGrowth } from "../config/setting.ts";
import { grownLimit } from "./growth.ts";

/** What decides how many accounts a host may have. */
export interface AccountLimitFacts {
	/** What an admin has set for the host; null for nothing. */
	own: number | null;
	/** Whether the host is one of RELAY_TRUSTED_DOMAINS. */
	isTrusted: boolean;
	/** Of a host for which nothing is set, and that has had no good day yet. */
	general: number;
	/** Days on which the host's messages were good. */
	goodDays: number;
	/** By how much the general limit grows with them; null if it does not. */
	growth: AccountGrowth | null;
}

/** How many accounts may have a place at a host; null for any number. What an admin has set for the host always wins. */
export function accountLimitOf({ own, isTrusted, general, goodDays, growth }: AccountLimitFacts): number | null {
	return own ?? (isTrusted ? null : grownLimit(general, goodDays, growth));
}
