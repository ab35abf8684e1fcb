import type { AccountFact } from "../account/next.ts";
import type { Resolution } from "../identity/identity.ts";
import type { Entry } from "../log/record/entry.ts";
import type { Message } from "../protocol/kinds/table.ts";
import type { Outcome } from "./outcome.ts";

/** Who sent a message. */
export interface Sender {
	hostId: number;
	/** As DID documents name it: lower-case DNS name, or `localhost:PORT`. */
	hostname: string;
}

/** A message at its shard, with what was found out about it so far. */
export interface Arrival<M extends Message = Message> {
	readonly sender: Sender;
	/** Canonical; `message` has offsets into it. */
	readonly frame: Uint8Array;
	readonly message: M;
	/** What a refresh of its identity must not be older than, by the monotonic clock. */
	readonly arrivedAtMs: number;
	/** Called exactly once, when the message is rejected or handed over. */
	readonly settle: (outcome: Outcome) => void;
	/** What was looked up for this message in particular. */
	resolution: Resolution | null;
	/** What its DID resolved to before it was looked up anew because of it. */
	before: Resolution | null;
	/** Whether its identity was refreshed because of it: that is done once. */
	refreshed: boolean;
	/** Whether its host said, when asked because of it, that the account is active; null where it was not asked. */
	activeAtHost: boolean | null;
	/** What is to follow it into the log, once it is handed over itself. */
	following: Admitted | null;
}

/** What comes of a good message. */
export interface Admitted {
	entry: Entry;
	/** What the entry says of its account. The index reads the same of the record. */
	fact: AccountFact;
	/** What has to be in the log before it. */
	preceding?: Admitted;
	/** What has to come next in the log. */
	following?: Admitted;
}

export function arrivalOf(
	sender: Sender,
	frame: Uint8Array,
	message: Message,
	settle: Arrival["settle"],
	arrivedAtMs = performance.now(),
): Arrival {
	return {
		sender,
		frame,
		message,
		settle,
		arrivedAtMs,
		resolution: null,
		before: null,
		refreshed: false,
		activeAtHost: null,
		following: null,
	};
}
