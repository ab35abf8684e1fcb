import type { EventLimits } from "../config/setting.ts";
import type { DelayReport } from "../control/delays.ts";
import type { HostStatus } from "../protocol/host-status.ts";
import type { RejectionReason } from "../protocol/reasons.ts";

/** What an ingest worker must know of a host to follow it. */
export interface HostTarget {
	id: number;
	/** Lower-case DNS name, or `localhost:PORT`. */
	hostname: string;
	/** Connect by ws:// instead of wss://. */
	insecure: boolean;
	/** Where to resume; null starts at the host's live end. */
	cursor: number | null;
	/** How many messages may pass in a second, an hour and a day; null for any number. */
	limits: EventLimits | null;
}

/** From the host manager to the ingest worker that owns the host. */
export type HostCommand =
	/**
	 * Follow this host, and reconnect whenever that is needed. A worker that has followed it before in this process goes on from
	 * its own cursor, since the index may be older than what the worker knows. The limits are always those of this command.
	 */
	| { type: "connect"; host: HostTarget }
	/** Stop following it. */
	| { type: "disconnect"; hostId: number }
	/** End the wait before the next attempt to connect. No effect on a host that is connected. */
	| { type: "dialNow"; hostId: number }
	/** Follow this host from this cursor, or from its live end (null), whatever the cursor was before. */
	| { type: "resetCursor"; host: HostTarget }
	/** From now on the host has these limits, or none (null). Messages that wait pass if the new limits allow it. */
	| { type: "setLimits"; hostId: number; limits: EventLimits | null };

/** From an ingest worker to the host manager. */
export type HostEvent = HostStatusEvent | HostGapEvent;

export interface HostStatusEvent {
	type: "hostStatus";
	hostId: number;
	/**
	 * `active`: connected. `offline`: not reachable, and tried again. `idle`: it answered `FutureCursor`, and is asked again
	 * later. `banned`: it is a relay itself, and the worker has stopped following it until the next `connect`.
	 */
	status: HostStatus;
	/** Why, for people. */
	detail: string;
}

/**
 * Why messages of a host may have been missed: a message can't be read, which is given as the reason of its rejection, or the
 * place in the host's stream was lost.
 */
export type HostGapReason =
	| RejectionReason
	/** The host sent a seq below the last one received: it has started to count again, or repeats messages. */
	| "seq-went-back"
	/** The host has answered `FutureCursor` for an hour, and is now followed from its live end. */
	| "future-cursor"
	/** The host no longer has the messages after our cursor. */
	| "outdated-cursor"
	/** An operator set another cursor. */
	| "cursor-reset";

/** Messages of a host may have been missed. */
export interface HostGapEvent {
	type: "hostGap";
	hostId: number;
	/** How many gaps, since the last event. */
	count: number;
	/** Reason of the last gap. */
	reason: HostGapReason;
	/** The host's seq before the last gap; null before its first message. */
	afterSeq: number | null;
}

/** What waits of a host because of its limits. */
export interface HostDelays extends DelayReport {
	hostId: number;
}

/** Hosts in one answer about delays: those that have waited longest. */
export const DELAYED_HOSTS_MAX = 100;
