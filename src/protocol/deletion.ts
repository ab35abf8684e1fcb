/**
 * Whether an `#account` says that the account is gone, and its repo with it (rulebook 2.14). What follows such a message, should
 * the account be made anew, is the first commit of another repo.
 */
export function isDeletion(active: boolean, status: string | null): boolean {
	return !active && status === "deleted";
}

/**
 * A repo's state once it is forgotten, all but its rev. That stays as a floor: an account made anew begins at a later TID, and
 * what a host repeats from before the deletion stays stale.
 */
export const FORGOTTEN_REPO = { commit: null, data: null } as const;
