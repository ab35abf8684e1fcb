// account/: how a message changes an account, and what an account's status means. It stores nothing.

import { type AccountState, NO_HOST } from "./state.ts";
import { DELETED } from "./status.ts";

/** The account's repo is now at this commit. CIDs are binary. */
export interface RepoFact {
	readonly type: "repo";
	readonly rev: string;
	readonly commit: Uint8Array;
	readonly data: Uint8Array;
}

/** The account's status at its host: as the host says, or as this relay found out and says on the host's behalf. */
export interface StatusFact {
	readonly type: "status";
	readonly active: boolean;
	readonly status: string | null;
	/** `time` of the message in milliseconds since 1970; 0 if it is not known, or if the host did not write it. */
	readonly timeMs: number;
	/** Only in the relay's own messages: whether the account waits from here on for room in its host's limit. Absent: as before. */
	readonly waits?: boolean;
}

/** Something about the account's identity may have changed. */
export interface IdentityFact {
	readonly type: "identity";
	/** Whether the sender is the host that the DID document names. Any host may send an `#identity`. */
	readonly isHome: boolean;
	/** As in `StatusFact`. */
	readonly timeMs: number;
}

/** What a message in the log says about its account. */
export type AccountFact = RepoFact | StatusFact | IdentityFact;

/** This relay's operator has set a status of the account, or taken it back (null). A control record of the log says so. */
export interface LocalStatusFact {
	readonly type: "local";
	readonly status: string | null;
}

/** Where a fact comes from: an entry for the log, or a record of it. */
export interface At {
	/** Id of the host that sent the message. */
	readonly host: number;
	/** The host's seq of the message. */
	readonly upstreamSeq: number;
	/** Lsn of the record. Absent for an entry, which has none yet. */
	readonly lsn?: number;
	/** Time of the record, in microseconds since 1970. Absent for an entry. */
	readonly timeUs?: number;
}

/**
 * The state of an account after a fact of an admitted message, or after what the operator set. `state` is the state before it, or
 * null if nothing was known of the account. The shard judges the next message by the result, and the index stores it. So both must call this function, and
 * no other code may compute an account's state.
 *
 * Returns `state` itself if the fact changes nothing.
 */
export function next(state: AccountState | null, fact: AccountFact | LocalStatusFact, at: At): AccountState | null {
	if (fact.type === "local") return setLocally(state, fact.status, at.lsn);
	// Any host may send an `#identity`, but only the host in the DID document can create an account or move it.
	if (fact.type === "identity" && !fact.isHome && state?.host !== at.host) return state;
	const before = atHost(state, at.host, at.lsn);
	const hostSeq = at.upstreamSeq;
	if (fact.type === "repo") return { ...before, hostSeq, rev: fact.rev, commit: fact.commit, data: fact.data };
	const lastTimeMs = Math.max(before.lastTimeMs, fact.timeMs);
	if (fact.type === "identity") return { ...before, hostSeq, lastTimeMs };
	const { active, status } = fact;
	const repo = isDeletion(fact) ? FORGOTTEN_REPO : null;
	const told = { upstreamActive: active, upstreamStatus: status, statusLsn: at.lsn ?? 0 };
	const waitingSinceUs = waitingAfter(before, fact, at);
	return { ...before, ...repo, ...told, waitingSinceUs, hostSeq, lastTimeMs };
}

/** A deleted account waits for nothing. One that waits already keeps its place in the queue. */
function waitingAfter({ waitingSinceUs }: AccountState, fact: StatusFact, { timeUs = 0 }: At): number | null {
	if (isDeletion(fact) || fact.waits === false) return null;
	return fact.waits === true ? (waitingSinceUs ?? timeUs) : waitingSinceUs;
}

/** The status at the host stays as it is. So when the operator undoes a takedown, what the host has said meanwhile holds. */
function setLocally(state: AccountState | null, status: string | null, lsn = 0): AccountState | null {
	if (status === (state?.localStatus ?? null)) return state;
	return { ...(state ?? UNSEEN), localStatus: status, statusLsn: lsn };
}

/**
 * The state of an account that is now at `host`. If it moved there, its status at the former host and that host's times no
 * longer count, nor does a wait for room there. A new account, and one that has just moved, is taken to be active until its host says otherwise.
 *
 * @param lsn of the record that moves it
 */
export function atHost(state: AccountState | null, host: number, lsn = 0): AccountState {
	if (state === null) return { ...UNSEEN, host };
	if (state.host === host) return state;
	return { ...state, host, lastTimeMs: 0, ...ACTIVE, waitingSinceUs: null, statusLsn: lsn };
}

const ACTIVE = { upstreamActive: true, upstreamStatus: null } as const;

const UNSEEN: AccountState = {
	host: NO_HOST,
	hostSeq: 0,
	lastTimeMs: 0,
	...ACTIVE,
	localStatus: null,
	waitingSinceUs: null,
	statusLsn: 0,
	rev: null,
	commit: null,
	data: null,
};

/**
 * The state of a deleted account's repo. The rev is kept as a lower bound: if the account is created anew, its repo begins at a
 * later TID, and commits from before the deletion that a host repeats are still recognised as stale.
 */
const FORGOTTEN_REPO = { commit: null, data: null } as const;

/**
 * Whether an account is deleted, and its repo with it (rulebook 2.14). If the account is created anew, its next commit is the
 * first one of another repo.
 */
function isDeletion({ active, status }: StatusFact): boolean {
	return !active && status === DELETED;
}
