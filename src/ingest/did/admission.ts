import { encode } from "@atcute/cbor";
import { atHost } from "../../account/next.ts";
import type { AccountState } from "../../account/state.ts";
import { type EffectiveStatus, effectiveStatus, isActive } from "../../account/status.ts";
import { type Resolution, sameIdentity } from "../../identity/identity.ts";
import type { Entry } from "../../log/record/entry.ts";
import { encodeAccountFacts, encodeIdentityFacts, encodeRepoFacts } from "../../log/record/facts.ts";
import { RecordFlag, RecordKind } from "../../log/record/record.ts";
import type { Counters } from "../../observe/counters.ts";
import { encodeFrame, scanFrame } from "../../protocol/frame.ts";
import type { AccountMessage } from "../../protocol/kinds/account.ts";
import type { CommitMessage } from "../../protocol/kinds/commit.ts";
import type { IdentityMessage } from "../../protocol/kinds/identity.ts";
import type { SyncMessage } from "../../protocol/kinds/sync.ts";
import type { Message } from "../../protocol/kinds/table.ts";
import { REV_FUTURE_MS_MAX } from "../../protocol/limits.ts";
import { type FieldChanges, patchFields } from "../../protocol/patch.ts";
import type { RejectionReason } from "../../protocol/reasons.ts";
import { Rejection } from "../../protocol/rejection.ts";
import { isDatetime, isTid, tidToMicroseconds } from "../../protocol/syntax.ts";
import type { Engine, SigningKey, Verdict } from "../../verify/engine.ts";
import type { Admitted, Arrival } from "../arrival.ts";

/** What decides, besides the message. */
export interface AdmissionRules {
	engine: Engine;
	/** False: what only the strict rules drop is passed and counted. */
	strict: boolean;
	clock: () => number;
	counters: Counters;
}

/** An identity that a commit can be checked with. */
interface Authority {
	key: SigningKey;
}

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
	const authority = authorityOf(resolution, sender.hostname);
	if (authority === "mismatch") {
		if (!arrival.refreshed) return "retry";
		throw new Rejection("host-mismatch");
	}
	const before = atHost(account, sender.hostId);
	const isMissed = !isActive(before);
	if (isMissed && mayBeActive(before, arrival) === "ask-host") return "ask-host";
	checkRev(message, before, rules.clock());

	const verdict =
		message.type === "commit"
			? rules.engine.verifyCommit(frame, message, authority.key)
			: rules.engine.verifySync(frame, message, authority.key);
	if (verdict.reason === "signature-invalid" && !arrival.refreshed) return "retry";
	let flags = passes(verdict, rules);
	if (message.type === "commit") flags |= checkChain(message, before, flags, rules);
	const { commit, data } = repoOf(verdict);
	if (message.type === "sync") checkFork(message, before, commit);
	rules.counters.add("messages_verified_total");

	const { did, rev } = message;
	const fact = { type: "repo", did, rev, commit, data } as const;
	const admitted: Admitted = {
		entry: messageEntry(arrival, RecordKind[message.type], flags, encodeRepoFacts(fact)),
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

/** Checks an `#account`, which only the account's own host may send, and gives it the status that holds here (2.14). */
export function admitAccount(
	arrival: Arrival<AccountMessage>,
	account: AccountState | null,
	resolution: Resolution,
	rules: AdmissionRules,
): Admitted | "retry" {
	const { message, sender } = arrival;
	// Once a DID is tombstoned nothing names its host any more; the one we know may still say that the account is gone.
	const farewell = resolution.outcome === "tombstoned" && account?.host === sender.hostId;
	if (!farewell && authorityOf(resolution, sender.hostname) === "mismatch") {
		if (!arrival.refreshed) return "retry";
		throw new Rejection("host-mismatch");
	}
	const { did, active, status } = message;
	const flags = checkTime(message.time, rules);
	const localStatus = account?.localStatus ?? null;
	const effective = effectiveStatus({ localStatus, upstreamActive: active, upstreamStatus: status });
	const changed = localStatus === null ? arrival : withFields(arrival, statusChanges(effective));
	const fact = { type: "status", did, active, status, timeMs: timeMsOf(message) } as const;
	return { entry: messageEntry(changed, RecordKind.account, flags, encodeAccountFacts(fact)), fact };
}

/**
 * Checks an `#identity`, for which the DID was just looked up again. It only says that something may have changed, so one
 * from the account's host always passes; from anybody else it passes if something did change.
 *
 * @param before what the DID resolved to before this message
 */
export function admitIdentity(
	arrival: Arrival<IdentityMessage>,
	account: AccountState | null,
	resolution: Resolution,
	before: Resolution | null,
	rules: AdmissionRules,
): Admitted {
	const { message, sender } = arrival;
	const known = account?.host === sender.hostId ? account : null;
	const isHome = resolution.outcome === "resolved" && resolution.identity.pdsHost === sender.hostname;
	if (resolution.outcome === "not-found") throw new Rejection("identity-not-found");
	if (resolution.outcome === "unavailable" && known === null) throw new Rejection("identity-unresolvable");
	if (known === null && !isHome && sameIdentity(before, resolution)) {
		throw new Rejection("host-mismatch", "and nothing changed");
	}
	const flags = checkTime(message.time, rules) | (isHome ? RecordFlag.home : 0);
	// We don't resolve handles, so we don't vouch for one either.
	const stripped = message.handle === null ? arrival : withFields(arrival, WITHOUT_HANDLE);
	const fact = { type: "identity", did: message.did, isHome, timeMs: timeMsOf(message) } as const;
	return { entry: messageEntry(stripped, RecordKind.identity, flags, encodeIdentityFacts(fact)), fact };
}

/**
 * The `#account` of our own that follows when a known account's DID turns out to be tombstoned (rulebook 2.14). Anybody's
 * `#identity` can bring that to light, so the account stays at its host.
 */
export function admitTombstone(
	arrival: Arrival<IdentityMessage>,
	account: AccountState,
	clock: () => number,
): Admitted {
	return ownAccountMessage(arrival, account, { active: false, status: "deleted" }, clock);
}

/**
 * An `#account` that the relay itself has to say. In the log it counts as the account's own host's, at the last seq we have of it:
 * so it neither moves the account nor makes a message of that host a replay.
 */
function ownAccountMessage(
	arrival: Arrival,
	account: AccountState,
	{ active, status }: { active: boolean; status: string | null },
	clock: () => number,
): Admitted {
	const { did } = arrival.message;
	const { host, hostSeq } = account;
	const time = new Date(clock()).toISOString();
	// The sequencer gives the frame its seq; until then it needs one that is valid.
	const frame = encodeFrame("account", { seq: 1, did, time, active, ...(status === null ? null : { status }) });
	// The time is ours. Those of its host's messages are compared with each other only.
	const fact = { type: "status", did, active, status, timeMs: 0 } as const;
	const entry = messageEntry({ ...arrival, ...rescan(frame) }, RecordKind.account, 0, encodeAccountFacts(fact));
	return { entry: { ...entry, host, upstreamSeq: hostSeq }, fact };
}

/**
 * Whether a host sends a message again that it sent before: so it does after a crash of this relay, for what lies after the stored
 * cursor, and a host may do so at any time. A seq alone does not show it, since a host may have begun to count anew; then
 * the content tells: a commit or sync that is new has a later rev, an `#identity` or `#account` that is new a later time.
 */
export function isRepeat({ sender, message }: Arrival, account: AccountState | null): boolean {
	if (account === null || account.host !== sender.hostId || message.seq > account.hostSeq) return false;
	if (message.type === "identity" || message.type === "account") return timeMsOf(message) <= account.lastTimeMs;
	return account.rev !== null && message.rev <= account.rev;
}

const WITHOUT_HANDLE: FieldChanges = new Map([["handle", null]]);

function statusChanges({ active, status }: EffectiveStatus): FieldChanges {
	return new Map([
		["active", encode(active)],
		["status", status === undefined ? null : encode(status)],
	]);
}

/** `time` of a message in milliseconds since 1970; 0 where it is none. */
function timeMsOf({ time }: Message): number {
	const timeMs = Date.parse(time);
	return Number.isNaN(timeMs) ? 0 : timeMs;
}

/** The key that holds for the account, if this host is the one that its DID document names. */
function authorityOf(resolution: Resolution, hostname: string): Authority | "mismatch" {
	if (resolution.outcome === "not-found") throw new Rejection("identity-not-found");
	if (resolution.outcome === "tombstoned") throw new Rejection("identity-tombstoned");
	if (resolution.outcome === "unavailable") throw new Rejection("identity-unresolvable", resolution.detail);
	if (resolution.outcome === "malformed") throw new Rejection("identity-malformed", resolution.detail);
	const { signingKey, pdsHost, pdsFault } = resolution.identity;
	if (pdsHost === null) throw new Rejection("identity-malformed", pdsFault ?? "there is no usable PDS");
	if (pdsHost !== hostname) return "mismatch";
	if (signingKey === null) throw new Rejection("identity-malformed", "no signing key");
	return { key: signingKey };
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

function strictly(reason: RejectionReason, rules: AdmissionRules): number {
	if (rules.strict) throw new Rejection(reason);
	rules.counters.lenient(reason);
	return RecordFlag.lenient;
}

/** The engine checks the time of commits and syncs. */
function checkTime(time: string, rules: AdmissionRules): number {
	return isDatetime(time) ? 0 : strictly("time-syntax", rules);
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

/** The message with some fields changed. These types have no offsets but those of `seq`. */
function withFields(arrival: Arrival<AccountMessage | IdentityMessage>, changes: FieldChanges): Arrival {
	const { frame, seqStart, seqEnd } = patchFields(arrival.frame, arrival.message, changes);
	return { ...arrival, frame, message: { ...arrival.message, seqStart, seqEnd } };
}

function rescan(frame: Uint8Array): { frame: Uint8Array; message: Message } {
	const scanned = scanFrame(frame);
	if (scanned.kind !== "message") throw new Error("a frame of our own does not scan");
	return { frame, message: scanned.message };
}

function messageEntry(arrival: Arrival, kind: RecordKind, flags: number, facts: Uint8Array): Entry {
	const { frame, message, sender } = arrival;
	const { seq, seqStart, seqEnd } = message;
	return { kind, flags, host: sender.hostId, upstreamSeq: seq, seqStart, seqEnd, facts, frame };
}
