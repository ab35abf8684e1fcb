import { atHost } from "../../../account/next.ts";
import type { AccountState } from "../../../account/state.ts";
import { isActive } from "../../../account/status.ts";
import type { Resolution } from "../../../identity/identity.ts";
import { RecordFlag } from "../../../log/record/record.ts";
import type { CommitMessage } from "../../../protocol/kinds/commit.ts";
import type { SyncMessage } from "../../../protocol/kinds/sync.ts";
import { REV_FUTURE_MS_MAX } from "../../../protocol/limits.ts";
import type { RejectionReason } from "../../../protocol/reasons.ts";
import { Rejection } from "../../../protocol/rejection.ts";
import { isTid, tidToMicroseconds } from "../../../protocol/syntax.ts";
import type { Verdict } from "../../../verify/engine.ts";
import type { Admitted, Arrival } from "../../arrival.ts";
import { ownAccountMessage } from "./account.ts";
import { type AdmissionRules, messageEntry, strictly } from "./admission.ts";
import { keyAtHome } from "./home.ts";

/**
 * Checks 4 to 14 of rulebook 2.6 for a commit or sync whose identity is resolved. Returned instead of a result are `retry`, if a
 * refreshed identity may change the verdict, and `ask-host`, if the account's host has to be asked whether the account is active.
 *
 * @throws Rejection
 */
export function admitRepoMessage(
	arrival: Arrival<CommitMessage | SyncMessage>,
	account: AccountState | null,
	resolution: Resolution,
	rules: AdmissionRules,
): Admitted | "retry" | "ask-host" {
	const { message, sender, frame } = arrival;
	const key = keyAtHome(arrival, resolution);
	if (key === "retry") return "retry";
	const before = atHost(account, sender.hostId);
	const isMissed = !isActive(before);
	if (isMissed && mayBeActive(before, arrival) === "ask-host") return "ask-host";
	checkRev(message, before, rules.clock());

	const verdict =
		message.type === "commit"
			? rules.engine.verifyCommit(frame, message, key)
			: rules.engine.verifySync(frame, message, key);
	if (verdict.reason === "signature-invalid" && !arrival.refreshed) return "retry";
	let flags = passes(verdict, rules);
	if (message.type === "commit") flags |= checkChain(message, before, flags, rules);
	const { commit, data } = repoOf(verdict);
	if (message.type === "sync") checkFork(message, before, commit);
	rules.counters.add("messages_verified_total");

	const { did, rev } = message;
	const fact = { type: "repo", did, rev, commit, data } as const;
	const admitted: Admitted = {
		entry: messageEntry(arrival, flags, fact),
		fact,
	};
	if (isMissed) admitted.preceding = ownAccountMessage(arrival, before, { active: true, status: null }, rules.clock);
	return admitted;
}

/**
 * Whether an account that is inactive for all we know may be active at its host, whose `#account` we missed: its host has said so
 * when asked. It is asked once for a message, and not for one that is old anyway.
 *
 * @throws Rejection `account-inactive`
 */
function mayBeActive(
	account: AccountState,
	{ message, activeAtHost }: Arrival<CommitMessage | SyncMessage>,
): "yes" | "ask-host" {
	if (account.localStatus !== null || isStale(message, account) || activeAtHost === false) {
		throw new Rejection("account-inactive");
	}
	return activeAtHost === null ? "ask-host" : "yes";
}

/** Whether its rev is not later than the account's. */
export function hasOldRev({ rev }: CommitMessage | SyncMessage, account: AccountState): boolean {
	return account.rev !== null && rev <= account.rev;
}

function checkRev(message: CommitMessage | SyncMessage, known: AccountState | null, nowMs: number): void {
	const { rev, type } = message;
	if (!isTid(rev)) throw new Rejection("rev-syntax");
	if (type === "commit" && message.since !== null && !isTid(message.since)) {
		throw new Rejection("message-schema", "since is not a TID");
	}
	if (tidToMicroseconds(rev) / 1000 > nowMs + REV_FUTURE_MS_MAX) throw new Rejection("rev-future");
	if (known !== null && isStale(message, known)) throw new Rejection("rev-stale");
}

/** Check 8. */
function isStale({ rev, type }: CommitMessage | SyncMessage, known: AccountState): boolean {
	if (known.rev === null) return false;
	// A sync may repeat the last commit, as the reference PDS does when an account is made, but not one of a deleted repo.
	const mayRepeat = type === "sync" && known.commit !== null;
	return rev < known.rev || (rev === known.rev && !mayRepeat);
}

function checkFork(message: SyncMessage, known: AccountState | null, commit: Uint8Array): void {
	if (known === null || known.commit === null || message.rev !== known.rev) return;
	if (!sameBytes(known.commit, commit)) throw new Rejection("sync-fork");
}

/** Returns the record flags of a verdict, or throws what it rejects for. */
function passes(verdict: Verdict, rules: AdmissionRules): number {
	if (verdict.reason === null) return 0;
	return verdict.strictOnly ? strictly(verdict.reason, rules) : reject(verdict.reason);
}

function reject(reason: RejectionReason): never {
	throw new Rejection(reason);
}

/**
 * Check 14: a commit that doesn't chain to what we have is passed on, and marked.
 * @param flags those it has already: what is passed leniently is counted under its first reason only
 */
function checkChain(message: CommitMessage, known: AccountState | null, flags: number, rules: AdmissionRules): number {
	if (known === null || known.rev === null || known.data === null) return 0;
	if (message.prevData === null) return flags === 0 ? strictly("prev-data-missing", rules) : 0;
	if (message.since === known.rev && sameBytes(message.prevData, known.data)) return 0;
	rules.counters.add("discontinuities_total");
	return RecordFlag.discontinuous;
}

function repoOf({ commit, data }: Verdict): { commit: Uint8Array; data: Uint8Array } {
	if (commit === null || data === null) throw new Error("the engine passed a commit without saying which");
	// Copies, which `slice` of a Buffer does not make: the state outlives the frame that these may be views into.
	return { commit: new Uint8Array(commit), data: new Uint8Array(data) };
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
	return Buffer.compare(a, b) === 0;
}
