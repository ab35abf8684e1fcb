import type { HostStatus } from "../protocol/host-status.ts";
import type { RejectionReason } from "../protocol/reasons.ts";

/** What an ingest worker must know of a host to follow it. */
export interface HostTarget {
	id: number;
	/** Lower-case DNS name, or `localhost:PORT`. */
	hostname: string;
	/** By ws:// instead of wss://. */
	insecure: boolean;
	/** Where to resume; null starts at the host's live end. */
	cursor: number | null;
}

/** From the host manager to the ingest worker that owns the host. */
export type HostCommand =
	/**
	 * Follow this host, reconnecting for as long as it takes. If the worker followed it before, in this process, it goes on
	 * from its own cursor: the index may lag behind what the worker knows.
	 */
	| { type: "connect"; host: HostTarget }
	/** Stop following it. */
	| { type: "disconnect"; hostId: number }
	/** Cut the wait between two attempts short. No effect on a host that is connected. */
	| { type: "dialNow"; hostId: number }
	/** Follow this host from this cursor, or from its live end (null), whatever the cursor was before. */
	| { type: "resetCursor"; host: HostTarget };

/** From an ingest worker to the host manager. */
export type HostEvent = HostStatusEvent | HostGapEvent;

export interface HostStatusEvent {
	type: "hostStatus";
	hostId: number;
	/**
	 * `active`: connected. `offline`: not reachable, and tried again. `idle`: it answered `FutureCursor`, and is asked again
	 * later. After `banned` (it is a relay itself) the worker has stopped following the host: only a `connect` brings it back.
	 */
	status: HostStatus;
	/** Why, for people. */
	detail: string;
}

/** Why messages of a host may have been missed: one that can't be read, for the reason of its rejection, or a lost place. */
export type HostGapReason =
	| RejectionReason
	/** The host sent a seq below the last one received: it counts anew, or repeats. */
	| "seq-went-back"
	/** It has answered `FutureCursor` for an hour, and is followed from its live end. */
	| "future-cursor"
	/** It no longer has what follows our cursor. */
	| "outdated-cursor"
	/** An operator set another cursor. */
	| "cursor-reset";

/** Messages of a host may have been missed. */
export interface HostGapEvent {
	type: "hostGap";
	hostId: number;
	/** How often, since the last event. */
	count: number;
	/** Of the last time. */
	reason: HostGapReason;
	/** The host's seq after which it was; null before its first message. */
	afterSeq: number | null;
}
