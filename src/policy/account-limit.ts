/** What decides how many accounts a host may have. */
export interface AccountLimitFacts {
	/** What an admin has set for the host; null for nothing. */
	own: number | null;
	/** Whether the host is one of RELAY_TRUSTED_DOMAINS. */
	isTrusted: boolean;
	/** Of a host for which nothing is set. */
	general: number;
}

/** How many accounts may have a place at a host; null for any number. What an admin has set for the host always wins. */
export function accountLimitOf({ own, isTrusted, general }: AccountLimitFacts): number | null {
	return own ?? (isTrusted ? null : general);
}
