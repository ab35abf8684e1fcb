import type { AccountState } from "../account/state.ts";
import type { RejectionReason } from "../protocol/reasons.ts";
import type { DelayedAccount, DelayReason, DelayReport } from "./delays.ts";
import type { ReasonCounts } from "./failures.ts";

/** What somebody knows, or why it can't be known now, for people. */
export type Told<T> = { readonly told: T } | { readonly untold: string };

/** What is asked: why messages of an account, or of a host, pass or don't. What the index has of the account comes with it. */
export interface WhyQuestion {
	/** Null to ask for a host. */
	did: string | null;
	/** The host that is asked for, or that the account's DID document names; null if that is not known. */
	hostname: string | null;
	/** Id of the account's host; null if it is not known. */
	hostId: number | null;
}

/** Where a host is in its life; the names are those of the host machine. */
export type HostPhaseName = "new" | "waiting" | "queued" | "dialling" | "connected" | "barred" | "stopped";

/** What the control thread knows of a host. Times are Unix ms. */
export interface HostView {
	hostname: string;
	phase: HostPhaseName;
	/** Whether the operator has banned it, by its name or by that of a domain. */
	ban: { by: "host" } | { by: "domain"; domain: string } | null;
	connectedAtMs: number | null;
	lastEventMs: number | null;
	/** Attempts that have failed in a row. */
	failures: number;
	nextAttemptMs: number | null;
	/** Why it is not connected; null if nothing failed since the last connection. `advice` says what can be done. */
	lastError: { text: string; advice: string; atMs: number } | null;
}

/** What a worker knows of the last message of an account, or of a host, that was rejected. */
export interface LastRejection {
	/** Of the host that sent it. */
	hostname: string;
	/** Null if the message could not be read so far. */
	did: string | null;
	type: string | null;
	reason: RejectionReason;
	/** What exactly was wrong. May have a few words from the sender's bytes. */
	detail: string;
	/** The host's seq of it; null if that is not known. */
	upstreamSeq: number | null;
	/** Unix ms. */
	atMs: number;
	/** Whether a message of this account has passed since, of the same kind, from the same host. */
	passedSince: boolean;
}

/** What a DID resolved to, without what only the relay needs. */
export interface IdentityView {
	outcome: "resolved" | "not-found" | "tombstoned" | "malformed" | "unavailable";
	/** What was wrong; null if nothing was. */
	detail: string | null;
	/** `did:key` of the signing key. */
	signingKey: string | null;
	/** Origin of the PDS, and the name of its host. */
	pds: string | null;
	pdsHost: string | null;
	/** Why there is no usable PDS; null if there is one. */
	pdsFault: string | null;
	/** Unix ms; null if it is not known. */
	resolvedAtMs: number | null;
	/** Whether the worker that has the DID knows it, or only the index. */
	knownFrom: "memory" | "index";
}

/** The state of an account, as far as it is of interest to its owner. */
export type AccountView = Pick<
	AccountState,
	"host" | "hostSeq" | "upstreamActive" | "upstreamStatus" | "localStatus" | "waitingSinceUs" | "rev"
>;

/** What the worker that has a DID knows of it. Nulls are not in its memory. */
export interface WorkerView {
	account: AccountView | null;
	identity: IdentityView | null;
	/** One for each host that sent such messages, the latest first. */
	rejections: LastRejection[];
	/** Messages that wait for the DID's identity, or for its account's row. */
	waiting: number;
	/** How long ago the first of them came; 0 if none waits. */
	waitingForMs: number;
}

/** What a worker knows of a host. */
export interface HostWorkerView {
	/** Null if nothing waits, or if another worker follows the host. */
	delays: DelayView | null;
	/** The last message of it that this worker has rejected; null if it remembers none. */
	rejection: LastRejection | null;
	/** How many messages of it failed at this worker, by reason. */
	failures: ReasonCounts[];
}

/** What waits of a host because of its limits, in a form that takes no time to make. */
export interface DelayView extends Omit<DelayReport, "top"> {
	/** Why the account waits that is next; null if none waits, and others are only left out. */
	next: DelayReason | null;
	/** The part of the account that is asked for; null if nothing of it waits. */
	account: DelayedAccount | null;
	/** Messages of the account that is asked for are left out, since too many of it wait: the host is asked for them again later. */
	isLeftOut: boolean;
}

/** What the control thread and the workers know. */
export interface ControlView {
	/** The host whose messages count: null if it is not known which it is. */
	hostname: string | null;
	/** Null if the relay does not know it. */
	host: HostView | null;
	/** Name of the host that the account's last message came from; null if there is none. */
	accountHost: string | null;
	/** Null if no account is asked for. */
	worker: Told<WorkerView> | null;
	/** Null if nothing waits. */
	delays: Told<DelayView | null>;
	/** The last message of the host that was rejected, of whatever account. */
	hostRejection: Told<LastRejection | null>;
	/** How many of its messages failed since the relay's start, by reason: the most first. */
	hostFailures: Told<ReasonCounts[]>;
	/** Why the log can't be written now; null if it can. */
	logStall: string | null;
}
