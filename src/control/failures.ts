import type { RejectionReason } from "../protocol/reasons.ts";
import type { ControlResult, Requester } from "./answer.ts";

/** How many messages of a host failed for one reason. All is counted since the relay's start. Times are Unix ms. */
export interface ReasonCounts {
	reason: RejectionReason;
	/** Messages that were dropped. */
	rejected: number;
	/** Messages that passed, since the relay is lenient with the host. */
	lenient: number;
	/** Of either. */
	firstAtMs: number;
	lastAtMs: number;
}

/** A message that failed. What could not be read of it, or what its kind does not have, is null. */
export interface FailureExample {
	did: string | null;
	/** The kind of the message, such as `commit`. */
	type: string | null;
	/** The host's seq of it. */
	upstreamSeq: number | null;
	rev: string | null;
	/** Number of its ops. */
	ops: number | null;
	/** Whether it was dropped or passed. */
	outcome: "rejected" | "lenient";
	/** What was wrong. May have a few words from the sender's bytes. */
	detail: string;
}

export interface ReasonFailures extends ReasonCounts {
	/** The last message that failed for this reason; null if it was forgotten, since too many others failed later. */
	example: FailureExample | null;
}

/** What failed of a host's messages at one worker. */
export interface WorkerFailures {
	hostId: number;
	reasons: ReasonFailures[];
}

/** How many messages of a host failed. */
export interface FailureTotals {
	hostId: number;
	rejected: number;
	lenient: number;
}

/** What failed of a host's messages. */
export interface HostFailureReport<Reason = ReasonFailures> extends Omit<FailureTotals, "hostId"> {
	hostname: string;
	/** Those with most messages come first. */
	reasons: Reason[];
}

/** Hosts that one page of `failingHosts` may have. */
export const FAILING_HOSTS_MAX = 100;

/** The part of `Control` by which an operator sees which messages of hosts failed since the relay's start, and why. */
export interface FailureControl {
	/** What failed of one host's messages. Refused if the host is not known. */
	hostFailures(
		hostname: string,
		by: Requester,
	): Promise<ControlResult<{ sinceMs: number; failures: HostFailureReport }>>;
	/**
	 * The hosts of which most messages failed, without examples. `total` is the number of hosts of which any did.
	 *
	 * @param skip how many of them to leave out, from the top
	 * @param limit at most `FAILING_HOSTS_MAX`
	 */
	failingHosts(
		skip: number,
		limit: number,
		by: Requester,
	): Promise<ControlResult<{ sinceMs: number; total: number; hosts: HostFailureReport<ReasonCounts>[] }>>;
}
