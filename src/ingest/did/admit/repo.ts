import { atHost } from "../../../account/next.ts";
import type { AccountState } from "../../../account/state.ts";
import { isActive } from "../../../account/status.ts";
import type { Resolution } from "../../../identity/identity.ts";
import { counter } from "../../../observe/metric.ts";
import type { CommitMessage } from "../../../protocol/kinds/commit.ts";
import type { SyncMessage } from "../../../protocol/kinds/sync.ts";
import { REV_FUTURE_MS_MAX } from "../../../protocol/limits.ts";
import type { RejectionReason } from "../../../protocol/reasons.ts";
import { Rejection } from "../../../protocol/rejection.ts";
import { isTid, tidToMicroseconds } from "../../../protocol/syntax.ts";
import type { Engine, SigningKey, Verdict } from "../../../verify/engine.ts";
import type { Admitted, Arrival } from "../../arrival.ts";
import { ownAccountMessage } from "./account.ts";
import { type Admission, type AdmissionRules, messageEntry, strictly } from "./admission.ts";
import { keyAtHome } from "./home.ts";

const messagesVerified = counter(
	"messages_verified_total",
	"commits and syncs whose signature and structure were checked and found good",
	"If it stops while frames are received, look at `standpipe_messages_rejected_total` and `standpipe_parked_messages`.",
);

type RepoMessage = CommitMessage | SyncMessage;

/** The differences between the two kinds of messages about a repo. */
export interface RepoChecks<M extends RepoMessage> {
	/** Checks the fields that only this kind has. Throws `Rejection`. */
	checkFields(message: M): void;
	/** Whether a message may have the same rev as the account's last one, and so repeat it. */
	mayRepeatRev(known: AccountState): boolean;
	verify(engine: Engine, frame: Uint8Array, message: M, key: SigningKey): Verdict;
	/**
	 * Compares a good message with the account's state. Returns record flags, or throws `Rejection`.
	 *
	 * @param commit CID of the message's commit
	 * @param flags the record flags so far: a message that is passed leniently is counted for its first reason only
	 */
	compare(arrival: Arrival<M>, known: AccountState, commit: Uint8Array, flags: number, rules: AdmissionRules): number;
}

/** Makes the checks 4 to 14 of rulebook 2.6, for a kind of message about a repo. */
export function repoAdmission<M extends RepoMessage>(checks: RepoChecks<M>): Admission<M> {
	return {
		looksUpAnew: false,
		isOld: hasOldRev,
		admit: (arrival, account, resolution, rules) => admitRepo(arrival, account, resolution, rules, checks),
	};
}

function admitRepo<M extends RepoMessage>(
	arrival: Arrival<M>,
	account: AccountState | null,
	resolution: Resolution,
	rules: AdmissionRules,
	checks: RepoChecks<M>,
): Admitted | "retry" | "ask-host" {
	const { message, sender, frame } = arrival;
	const key = keyAtHome(arrival, resolution);
	if (key === "retry") return "retry";
	const before = atHost(account, sender.hostId);
	const isMissed = !isActive(before);
	if (isMissed && mayBeActive(before, arrival, checks) === "ask-host") return "ask-host";
	checkRev(message, before, rules.clock(), checks);

	const verdict = checks.verify(rules.engine, frame, message, key);
	if (verdict.reason === "signature-invalid" && !arrival.refreshed) return "retry";
	let flags = passes(verdict, arrival, rules);
	const { commit, data } = repoOf(verdict);
	flags |= checks.compare(arrival, before, commit, flags, rules);
	rules.counters.add(messagesVerified);

	const { did, rev } = message;
	const fact = { type: "repo", did, rev, commit, data, touched: verdict.touched } as const;
	const admitted: Admitted = { entry: messageEntry(arrival, flags, fact), fact };
	if (isMissed) admitted.preceding = ownAccountMessage(did, before, { active: true, status: null }, rules.clock);
	return admitted;
}

/**
 * For an account that we know as inactive: whether its host, asked because of this message, says that it is active. Then we have
 * missed an `#account`. The host is asked once for each message, and not for a message that is stale anyway.
 *
 * @throws Rejection `account-inactive` or `account-throttled` if the message must be dropped
 */
function mayBeActive<M extends RepoMessage>(
	account: AccountState,
	{ message, activeAtHost }: Arrival<M>,
	checks: RepoChecks<M>,
): "yes" | "ask-host" {
	if (account.waitingSinceUs !== null) throw new Rejection("account-throttled");
	if (account.localStatus !== null || isStale(message, account, checks) || activeAtHost === false) {
		throw new Rejection("account-inactive");
	}
	return activeAtHost === null ? "ask-host" : "yes";
}

/** Whether the message's rev is not later than the account's. */
function hasOldRev({ rev }: RepoMessage, account: AccountState): boolean {
	return account.rev !== null && rev <= account.rev;
}

function checkRev<M extends RepoMessage>(message: M, known: AccountState, nowMs: number, checks: RepoChecks<M>): void {
	if (!isTid(message.rev)) throw new Rejection("rev-syntax");
	checks.checkFields(message);
	if (tidToMicroseconds(message.rev) / 1000 > nowMs + REV_FUTURE_MS_MAX) throw new Rejection("rev-future");
	if (isStale(message, known, checks)) throw new Rejection("rev-stale");
}

/** Check 8: whether the rev is older than the account's, or equal to it without being allowed to. */
function isStale<M extends RepoMessage>({ rev }: M, known: AccountState, checks: RepoChecks<M>): boolean {
	if (known.rev === null) return false;
	return rev < known.rev || (rev === known.rev && !checks.mayRepeatRev(known));
}

/** Returns the record flags of a verdict, or throws its rejection. */
function passes(verdict: Verdict, arrival: Arrival, rules: AdmissionRules): number {
	if (verdict.reason === null) return 0;
	return verdict.strictOnly ? strictly(verdict.reason, arrival, rules) : reject(verdict.reason);
}

function reject(reason: RejectionReason): never {
	throw new Rejection(reason);
}

function repoOf({ commit, data }: Verdict): { commit: Uint8Array; data: Uint8Array } {
	if (commit === null || data === null) throw new Error("the engine passed a commit without saying which");
	// Copied, since the state outlives the frame that these may be views into. `slice` of a Buffer would not copy.
	return { commit: new Uint8Array(commit), data: new Uint8Array(data) };
}
