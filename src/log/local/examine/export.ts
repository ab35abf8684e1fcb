import { decodeFirst, fromBytes, isBytes } from "@atcute/cbor";
import { decodeControl } from "../../record/control.ts";
import { didOf } from "../../record/message-facts.ts";
import { isMessageKind, recordKind, recordSeq } from "../../record/record.ts";
import { decodeRecord } from "../../record/stored-record.ts";
import type { LogFs } from "../log-fs.ts";
import { type LogVisitor, walkLog } from "./walk.ts";

/** Which messages of a log are wanted. */
export interface ExportRange {
	/** The least and the greatest seq. */
	seqMin: number;
	seqMax: number;
	/** Of this account only; null for all. */
	did: string | null;
}

/** A message of the log. */
export interface ExportedMessage {
	readonly seq: number;
	/** When the relay sequenced it, microseconds since 1970. */
	readonly timeUs: number;
	readonly did: string | null;
	/** The host that sent it; null if the log does not say any more. */
	readonly hostname: string | null;
	/** Such as `#commit`. */
	readonly type: string;
	/** The message as consumers decode it. */
	readonly message: Record<string, unknown>;
	/** Its CAR; null if it has none. */
	readonly blocks: Uint8Array | null;
}

export interface ExportCounts {
	/** Messages that were given. */
	messages: number;
	/** Damaged stretches that were passed over. */
	damage: number;
}

/**
 * Gives the messages of a range, in order, and changes nothing. A relay may write to the log meanwhile. Damaged stretches are left out:
 * `damage` says how many there were.
 *
 * @param visit called with each message. If it returns false, the rest is left out
 * @throws Error if the log can't be read, or has another format
 */
export function exportLog(
	fs: LogFs,
	directory: string,
	{ seqMin, seqMax, did }: ExportRange,
	visit: (message: ExportedMessage) => boolean,
): ExportCounts {
	const hostnames = new Map<number, string>();
	const counts = { messages: 0, damage: 0 };
	const visitor: LogVisitor = {
		record(_, __, length, bytes, at) {
			const seq = recordSeq(bytes, at);
			const isMessage = isMessageKind(recordKind(bytes, at));
			if (isMessage && seq > seqMax) return false;
			if (isMessage && seq < seqMin) return true;
			const record = decodeRecord(bytes, at, length);
			if (!isMessage) {
				const control = decodeControl(record);
				if (control?.kind === "host") hostnames.set(control.facts.id, control.facts.hostname);
				return true;
			}
			const ofDid = didOf(record);
			if (did !== null && ofDid !== did) return true;
			counts.messages += 1;
			const { timeUs, host, frame } = record;
			return visit({ seq, timeUs, did: ofDid, hostname: hostnames.get(host) ?? null, ...decoded(frame) });
		},
		damage() {
			counts.damage += 1;
		},
		segment() {},
	};
	walkLog(fs, directory, visitor, (id, next) => id.firstSeq <= seqMax && (next === null || next.firstSeq > seqMin));
	return counts;
}

/** Frames in the log were read by the relay's own reader before, so they have both parts. */
function decoded(frame: Uint8Array): Pick<ExportedMessage, "type" | "message" | "blocks"> {
	const [header, payload] = decodeFirst(frame);
	const [message] = decodeFirst(payload);
	return { type: header.t, message, blocks: isBytes(message.blocks) ? fromBytes(message.blocks) : null };
}
