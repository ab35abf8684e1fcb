import { type AccountState, NO_HOST } from "./state.ts";

/** The fields of an account that determine its effective status. */
type Statuses = Pick<AccountState, "upstreamActive" | "upstreamStatus" | "localStatus" | "waitingSinceUs">;

/** A status in the form that `#account` and the HTTP API use. */
export interface EffectiveStatus {
	active: boolean;
	/** Why the account is not active, or other detail. Absent if there is none. */
	status?: string;
}

/** Whether the account's commits and syncs pass: only if both its host and this relay have it as active (rulebook 2.14). */
export function isActive({ localStatus, upstreamActive, waitingSinceUs }: Statuses): boolean {
	return localStatus === null && upstreamActive && waitingSinceUs === null;
}

/**
 * The effective status: the local status takes precedence over the host's (rulebook 2.14). An account that waits for room in its host's limit is
 * `throttled`, unless its host has it as inactive: consumers must learn that it is deleted or taken down.
 */
export function effectiveStatus(account: Statuses): EffectiveStatus {
	const active = isActive(account);
	const isThrottled = account.waitingSinceUs !== null && account.upstreamActive;
	const status = account.localStatus ?? (isThrottled ? THROTTLED : account.upstreamStatus);
	return status === null ? { active } : { active, status };
}

/** The status of an account for which there is no room in its host's limit. */
const THROTTLED = "throttled";

/** The status of a deleted account. */
export const DELETED = "deleted";

/** Statuses that withdraw an account's content. `deactivated` does not: its owner may be back soon. */
const TAKEN_DOWN: ReadonlySet<string | null> = new Set(["takendown", "suspended", DELETED]);

/** Whether the account is taken down, by its host or by this relay. If so, its earlier commits are not replayed (rulebook 2.14). */
export function isTakenDown({
	localStatus,
	upstreamActive,
	upstreamStatus,
}: Pick<Statuses, "localStatus" | "upstreamActive" | "upstreamStatus">): boolean {
	return TAKEN_DOWN.has(localStatus) || (!upstreamActive && TAKEN_DOWN.has(upstreamStatus));
}

/** Whether the account's host says that it is deleted. If so, it does not count as one of the host's accounts. */
export function isDeletedAtHost({
	upstreamActive,
	upstreamStatus,
}: Pick<Statuses, "upstreamActive" | "upstreamStatus">): boolean {
	return !upstreamActive && upstreamStatus === DELETED;
}

/** Whether the relay has anything to say of the account. It has a row, but nothing, if the operator has taken back all there was. */
export function isKnown({ host, localStatus }: Pick<AccountState, "host" | "localStatus">): boolean {
	return host !== NO_HOST || localStatus !== null;
}

/** Whether `listRepos` includes the account. */
export function isListed(account: Statuses & Pick<AccountState, "commit">): boolean {
	return account.commit !== null && isActive(account);
}
