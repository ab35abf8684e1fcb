// peer/compare/: the firehoses of several relays side by side: what one has and another lacks, and how far one is behind another.

import { readFrame } from "../../protocol/frame.ts";
import type { Message, MessageType } from "../../protocol/kinds/table.ts";

/** A message, by what is the same at all relays. */
export interface PeerEvent {
	type: MessageType;
	did: string;
	/** Of a commit or sync; null for all else. */
	rev: string | null;
	/** Its `time`. */
	time: string;
	/** Equal for the same message at different relays, and for no other. */
	key: string;
	/** The relay's own. */
	seq: number;
}

/**
 * The message in a frame; null for a notice.
 * @throws Rejection if the frame can't be read
 */
export function eventOf(frame: Buffer): PeerEvent | null {
	const { scanned } = readFrame(frame);
	if (scanned.kind !== "message") return null;
	const { message } = scanned;
	const { type, did, time, seq } = message;
	const rev = message.type === "commit" || message.type === "sync" ? message.rev : null;
	return { type, did, rev, time, seq, key: `${type} ${did} ${contentOf(message)}` };
}

/** What tells a message of an account from others of its type. A handle does not: relays may take it out. */
function contentOf(message: Message): string {
	if (message.type === "commit" || message.type === "sync") return message.rev;
	if (message.type === "identity") return message.time;
	return `${message.time} ${message.active} ${message.status ?? ""}`;
}
