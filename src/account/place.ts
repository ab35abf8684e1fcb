import { type AccountState, NO_HOST } from "./state.ts";
import { isDeletedAtHost } from "./status.ts";

/** The fields that determine whether an account takes a place in its host's account limit. */
type Placed = Pick<AccountState, "host" | "upstreamActive" | "upstreamStatus" | "waitingSinceUs">;

/**
 * The host in whose account limit the account takes a place; null for none. It has its place until it is deleted or moves, also while it is
 * deactivated, suspended or taken down: otherwise a host could have any number of accounts by turns.
 */
export function placeOf(account: Placed | null): number | null {
	return account === null || account.waitingSinceUs !== null ? null : countedAt(account);
}

/** The host at which the account waits for such a place; null for none. */
export function waitingAt(account: Placed | null): number | null {
	return account === null || account.waitingSinceUs === null ? null : countedAt(account);
}

function countedAt(account: Placed): number | null {
	return account.host === NO_HOST || isDeletedAtHost(account) ? null : account.host;
}
