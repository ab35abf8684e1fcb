import type { AccountFact } from "../account/next.ts";
import type { Resolution } from "../identity/identity.ts";
import type { Entry } from "../log/record/entry.ts";
import type { Message } from "../protocol/kinds/table.ts";
import type { RejectionReason } from "../protocol/reasons.ts";
import type { Outcome } from "./outcome.ts";

/** Who sent a message. */
export interface Sender {
	hostId: number;
	/** As in DID documents: a lower-case DNS name, or `localhost:PORT`. */
	hostname: string;
}

/** What is remembered of a traced message until it is settled. Times are of `steadyMs`, and 0 if it has not happened. */
export interface ArrivalTrace {
	/** How often it was tried, and when last. */
	attempts: number;
	attemptMs: number;
	identityBeganMs: number;
	identityEndedMs: number;
}

/** A message at its shard, with what has been found out about it so far. */
export interface Arrival<M extends Message = Message> {
	readonly sender: Sender;
	/** The canonical frame. `message` has offsets into it. */
	readonly frame: Uint8Array;
	readonly message: M;
	/** When it arrived, by the monotonic clock. A refresh of its identity must have begun later. */
	readonly arrivedAtMs: number;
	/** When its frame came from the host's socket, by `steadyMs`, also if another thread owns the socket. 0 if that is not known. */
	readonly receivedMs: number;
	/** When the thread of its DID took it on, by `steadyMs`. */
	takenOnMs: number;
	/** Null if it is not traced. */
	trace: ArrivalTrace | null;
	/** Called exactly once, when the message is rejected or handed over. */
	readonly settle: (outcome: Outcome) => void;
	/** The result of the lookup that was made for this message. Null if none was made. */
	resolution: Resolution | null;
	/** What its DID was known to resolve to before this message caused a new lookup. */
	before: Resolution | null;
	/** Whether this message has caused a refresh of its identity. It does so at most once. */
	refreshed: boolean;
	/** Whether the host, asked because of this message, said that the account is active. Null if it was not asked. */
	activeAtHost: boolean | null;
	/** Whether the place in its host's account limit that its account needs is granted. Null if none was asked for, or if it is taken. */
	place: "granted" | "refused" | null;
	/** The strict rule that it breaks, if it is admitted all the same. Null if it breaks none. */
	lenientReason: RejectionReason | null;
	/** The status of which the relay's own `#account` must still follow it into the log. Set once the message itself is handed over. */
	following: UpstreamStatus | null;
}

/** What a good message adds to the log. */
export interface Admitted {
	entry: Entry;
	/** What the entry says about its account. The index reads the same from the record. */
	fact: AccountFact;
	/** What must be in the log right before it. */
	preceding?: Admitted;
	/** An `#account` of the relay's own with this status at the host must be in the log right after it. */
	following?: UpstreamStatus;
}

/** An account's status at its host. */
export interface UpstreamStatus {
	active: boolean;
	status: string | null;
}

export function arrivalOf(
	sender: Sender,
	frame: Uint8Array,
	message: Message,
	settle: Arrival["settle"],
	receivedMs = 0,
	arrivedAtMs = performance.now(),
): Arrival {
	return {
		sender,
		frame,
		message,
		settle,
		arrivedAtMs,
		receivedMs,
		takenOnMs: 0,
		trace: null,
		resolution: null,
		before: null,
		refreshed: false,
		activeAtHost: null,
		place: null,
		lenientReason: null,
		following: null,
	};
}
