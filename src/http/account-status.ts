import type { Account } from "../index/store.ts";

export interface AccountStatus {
	active: boolean;
	/** Absent where there is no more to say than `active`. */
	status?: string;
}

/** The status that counts: active only if both the account's host and this relay say so, ours first (rulebook 2.14). */
export function effectiveStatus(account: Account): AccountStatus {
	const active = account.localStatus === null && account.upstreamActive;
	const status = account.localStatus ?? account.upstreamStatus;
	return status === null ? { active } : { active, status };
}
