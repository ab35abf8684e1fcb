import type { EventLimits } from "../config/setting.ts";
import type { DelayReport } from "../control/delays.ts";
import type { RejectionReason } from "../protocol/reasons.ts";
import type { HostFault } from "./fault.ts";

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
	 * Connect to this host. A worker that has followed it before in this process goes on from its own cursor, since the index may be
	 * older than what the worker knows. The limits are always those of this
	 * command. Events name the attempt.
	 */
	| { type: "dial"; host: HostTarget; attempt: number }
	/** End the connection or the attempt, and report no more of it. */
	| { type: "disconnect"; hostId: number }
	/**
	 * Go on from this cursor, or from the host's live end (null), whatever the cursor was before. A connection is ended; the worker
	 * does not dial by itself.
	 */
	| { type: "resetCursor"; host: HostTarget }

	/** From now on the host has these limits, or none (null). Messages that wait pass if the new limits allow it. */
	| { type: "setLimits"; hostId: number; limits: EventLimits | null };

/** From an ingest worker to the host manager. */
export type HostEvent =
	| HostConnectionEvent
	/** Messages of these hosts have come since the last such event. */
	| { type: "heard"; hostIds: number[] }
	/** What has come of these hosts, and failed, since the last such event. */
	| { type: "counts"; counts: HostCounts[] }
	| HostGapEvent;

/** What a worker has counted of a host. */
export interface HostCounts {
	hostId: number;
	/** Messages that have come. Counted by the worker that follows the host. */
	messages: number;
	/** Messages that were rejected by the host's fault. Counted by the workers that have their DIDs. */
	failed: number;
}

/** What becomes of an attempt to connect, and of the connection. */
export type HostConnectionEvent =
	| { type: "opened"; hostId: number; attempt: number }
	| HostEndedEvent
	/** `resetCursor` was done, and there was no connection or attempt that it could have ended. */
	| { type: "moved"; hostId: number; attempt: number }
	/** Why the host's messages are held back; null when they no longer are. */
	| { type: "throttled"; hostId: number; attempt: number; why: string | null };

/** An attempt has failed, or a connection has ended. The worker does not make another one by itself. */
export interface HostEndedEvent {
	type: "ended";
	hostId: number;
	attempt: number;
	fault: HostFault;
	/** What happened, for people. */
	text: string;
	/** A message that is new to us came over the connection. */
	progress: boolean;
	/** A message has come since the last event `heard`. */
	heard: boolean;
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
