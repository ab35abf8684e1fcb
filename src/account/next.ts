// account/: what an account becomes by a message, and what its status means. It stores nothing.

import type { AccountState } from "./state.ts";
import { DELETED } from "./status.ts";

/** Its repo is now at this commit. CIDs are binary. */
export interface RepoFact {
	readonly type: "repo";
	readonly rev: string;
	readonly commit: Uint8Array;
	readonly data: Uint8Array;
}

/** Its status at its host: as the host says, or as this relay found out and says in the host's place. */
export interface StatusFact {
	readonly type: "status";
	readonly active: boolean;
	readonly status: string | null;
	/** `time` of the message in milliseconds since 1970; 0 if it is not known, or is not the host's. */
	readonly timeMs: number;
}

/** Something about its identity may have changed. */
export interface IdentityFact {
	readonly type: "identity";
	/** Whether the host that says so is the one that the DID document names: any host may say it. */
	readonly isHome: boolean;
	/** As in `StatusFact`. */
	readonly timeMs: number;
}

/** What a message of the log says of its account. */
export type AccountFact = RepoFact | StatusFact | IdentityFact;

/** Where a fact stands: an entry for the log, or a record of it. */
export interface At {
	/** Id of the host that said it. */
	readonly host: number;
	/** That host's seq. */
	readonly upstreamSeq: number;
	/** Our seq. An entry has none yet. */
	readonly seq?: number;
}

/**
 * What an account becomes by a fact that passed, given what it was (null: nothing was known of it). The shard judges the next
 * message by the result, and the index stores it: so both must call this, and nothing else may say what becomes of an account.
 *
 * Returns `state` itself if the fact changes nothing.
 */
export function next(state: AccountState | null, fact: AccountFact, at: At): AccountState | null {
	// Any host may announce an identity, but only one from home makes an account or moves it.
	if (fact.type === "identity" && !fact.isHome && state?.host !== at.host) return state;
	const before = atHost(state, at.host, at.seq);
	const hostSeq = at.upstreamSeq;
	if (fact.type === "repo") return { ...before, hostSeq, rev: fact.rev, commit: fact.commit, data: fact.data };
	const lastTimeMs = Math.max(before.lastTimeMs, fact.timeMs);
	if (fact.type === "identity") return { ...before, hostSeq, lastTimeMs };
	const { active, status } = fact;
	const repo = isDeletion(fact) ? FORGOTTEN_REPO : null;
	const told = { upstreamActive: active, upstreamStatus: status, statusSeq: at.seq ?? 0 };
	return { ...before, ...repo, ...told, hostSeq, lastTimeMs };
}

/**
 * What is known of an account that is now at `host`. Its status at the host it left says nothing any more, and neither do that
 * host's times. Of one that is new nobody has said anything, so it is taken to be active.
 *
 * @param seq our seq of the record that moves it
 */
export function atHost(state: AccountState | null, host: number, seq = 0): AccountState {
	if (state === null) return { ...UNSEEN, host };
	if (state.host === host) return state;
	return { ...state, host, lastTimeMs: 0, ...ACTIVE, statusSeq: seq };
}

const ACTIVE = { upstreamActive: true, upstreamStatus: null } as const;

const UNSEEN: AccountState = {
	host: 0,
	hostSeq: 0,
	lastTimeMs: 0,
	...ACTIVE,
	localStatus: null,
	statusSeq: 0,
	rev: null,
	commit: null,
	data: null,
};

/**
 * A repo's state once it is forgotten, all but its rev. That stays as a floor: an account made anew begins at a later TID, and
 * what a host repeats from before the deletion stays stale.
 */
const FORGOTTEN_REPO = { commit: null, data: null } as const;

/**
 * Whether an account is gone, and its repo with it (rulebook 2.14). What follows, should the account be made anew, is the first
 * commit of another repo.
 */
function isDeletion({ active, status }: StatusFact): boolean {
	return !active && status === DELETED;
}
