import type { AccountState } from "./state.ts";

/** What decides about an account's status. */
type Statuses = Pick<AccountState, "upstreamActive" | "upstreamStatus" | "localStatus">;

/** A status as `#account` and the HTTP API say it. */
export interface EffectiveStatus {
	active: boolean;
	/** Absent if there is no more to say than `active`. */
	status?: string;
}

/** Whether its commits and syncs pass: only if both its host and this relay say that it is active (rulebook 2.14). */
export function isActive({ localStatus, upstreamActive }: Statuses): boolean {
	return localStatus === null && upstreamActive;
}

/** The status that counts: this relay's own goes before the host's (rulebook 2.14). */
export function effectiveStatus(account: Statuses): EffectiveStatus {
	const active = isActive(account);
	const status = account.localStatus ?? account.upstreamStatus;
	return status === null ? { active } : { active, status };
}

/** The status of an account that is gone. */
export const DELETED = "deleted";

/** Statuses that take an account's content away. `deactivated` does not: its owner may be back in a moment. */
const TAKEN_DOWN: ReadonlySet<string | null> = new Set(["takendown", "suspended", DELETED]);

/** Whether it is taken down, by its host or by this relay: what it said before is not replayed (rulebook 2.14). */
export function isTakenDown({ localStatus, upstreamActive, upstreamStatus }: Statuses): boolean {
	return TAKEN_DOWN.has(localStatus) || (!upstreamActive && TAKEN_DOWN.has(upstreamStatus));
}

/** Whether its host says that it is deleted: then it is not one of the host's accounts. */
export function isDeletedAtHost({ upstreamStatus }: Pick<Statuses, "upstreamStatus">): boolean {
	return upstreamStatus === DELETED;
}

/** Whether `listRepos` names it. */
export function isListed(account: Statuses & Pick<AccountState, "commit">): boolean {
	return account.commit !== null && isActive(account);
}
