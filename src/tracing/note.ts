import { MESSAGE_TYPES, type MessageType } from "../protocol/kinds/table.ts";
import { REJECTION_REASON_NAMES, type RejectionReason } from "../protocol/reasons.ts";

/** Which message a note is about. */
export interface TracedMessage {
	/** Id of its host. */
	host: number;
	/** Its seq at its host. */
	upstreamSeq: number;
}

/** A span of time, by `steadyMs`. */
export interface Span {
	beganMs: number;
	endedMs: number;
}

/** By the thread of the message's DID, when the message was rejected or handed to the log. */
export interface SettledNote extends TracedMessage {
	type: "settled";
	did: string;
	hostname: string;
	kind: MessageType;
	/** Null if it was handed over. */
	reason: RejectionReason | null;
	/** How often it was tried: once, and once more after each wait. */
	attempts: number;
	receivedMs: number;
	takenOnMs: number;
	settledMs: number;
	/** The lookup of its identity, if it had to wait for one. */
	identity: Span | null;
	/** Its last verification, if there was one. */
	verification: Span | null;
}

/** By the sequencer, when the message was durable. */
export interface LoggedNote extends TracedMessage {
	type: "logged";
	lsn: number;
	seq: number;
	/** When it was taken into a batch. */
	takenMs: number;
	publishedMs: number;
	durableMs: number;
}

/** By the index, when it has applied the message. */
export interface IndexedNote extends TracedMessage, Span {
	type: "indexed";
}

/** By a fan-out thread, when the first of its live consumers was given the message. */
export interface DeliveredNote extends Span {
	type: "delivered";
	lsn: number;
	/** Number of the fan-out thread. */
	thread: number;
}

/** What a thread notes of a traced message. */
export type Note = SettledNote | LoggedNote | IndexedNote | DeliveredNote;

const Code = { settled: 1, logged: 2, indexed: 3, delivered: 4 } as const;

/** Of a text in a note. A did:web can be longer, and is cut. */
const TEXT_CHARS_MAX = 300;
const SETTLED_BYTES = 88;
/** The longest note. Texts are UTF-8. */
export const NOTE_BYTES_MAX = SETTLED_BYTES + 2 * 3 * TEXT_CHARS_MAX;

/** Bytes that `writeNote` will fill at most. */
export function noteBytes(note: Note): number {
	return note.type === "settled" ? NOTE_BYTES_MAX : 64;
}

/** Writes a note into a ring's reserved bytes. @param target as long as `noteBytes` says */
export function writeNote(target: Buffer, note: Note): void {
	target[0] = Code[note.type];
	if (note.type === "delivered") {
		target[1] = note.thread;
		writeNumbers(target, [note.lsn, note.beganMs, note.endedMs]);
		return;
	}
	target.writeUInt32LE(note.host, 4);
	if (note.type === "settled") writeSettled(target, note);
	else if (note.type === "indexed") writeNumbers(target, [note.upstreamSeq, note.beganMs, note.endedMs]);
	else
		writeNumbers(target, [note.upstreamSeq, note.lsn, note.seq, ...[note.takenMs, note.publishedMs, note.durableMs]]);
}

/** Reads what `writeNote` has written. */
export function readNote(source: Buffer): Note {
	const host = source.readUInt32LE(4);
	const [first, second, third] = [numberAt(source, 0), numberAt(source, 1), numberAt(source, 2)];
	if (source[0] === Code.settled) return readSettled(source, host);
	if (source[0] === Code.delivered)
		return { type: "delivered", lsn: first, beganMs: second, endedMs: third, thread: source[1] ?? 0 };
	if (source[0] === Code.indexed) return { type: "indexed", host, upstreamSeq: first, beganMs: second, endedMs: third };
	const [takenMs, publishedMs, durableMs] = [numberAt(source, 3), numberAt(source, 4), numberAt(source, 5)];
	return { type: "logged", host, upstreamSeq: first, lsn: second, seq: third, takenMs, publishedMs, durableMs };
}

/** Layout: code, kind, reason (0: none), attempts, host u32; ten numbers f64; then each text with its length u16. */
function writeSettled(target: Buffer, note: SettledNote): void {
	target[1] = MESSAGE_TYPES.indexOf(note.kind);
	target[2] = note.reason === null ? 0 : REJECTION_REASON_NAMES.indexOf(note.reason) + 1;
	target[3] = Math.min(note.attempts, 255);
	const { identity, verification } = note;
	writeNumbers(target, [
		...[note.upstreamSeq, note.receivedMs, note.takenOnMs, note.settledMs],
		...[identity?.beganMs ?? 0, identity?.endedMs ?? 0],
		...[verification?.beganMs ?? 0, verification?.endedMs ?? 0],
	]);
	writeText(target, note.hostname, writeText(target, note.did, 72));
}

function readSettled(source: Buffer, host: number): SettledNote {
	const kind = MESSAGE_TYPES[source[1] ?? 0];
	if (kind === undefined) throw new RangeError("a note names no kind of message");
	const did = textAt(source, 72);
	return {
		...{ type: "settled", host, upstreamSeq: numberAt(source, 0), kind, attempts: source[3] ?? 0 },
		reason: REJECTION_REASON_NAMES[(source[2] ?? 0) - 1] ?? null,
		...{ did, hostname: textAt(source, 74 + Buffer.byteLength(did)) },
		...{ receivedMs: numberAt(source, 1), takenOnMs: numberAt(source, 2), settledMs: numberAt(source, 3) },
		...{ identity: spanAt(source, 4), verification: spanAt(source, 6) },
	};
}

function writeNumbers(target: Buffer, numbers: readonly number[]): void {
	for (const [at, number] of numbers.entries()) target.writeDoubleLE(number, 8 + 8 * at);
}

function numberAt(source: Buffer, at: number): number {
	return source.readDoubleLE(8 + 8 * at);
}

/** Null if the span's beginning is 0. */
function spanAt(source: Buffer, at: number): Span | null {
	const [beganMs, endedMs] = [numberAt(source, at), numberAt(source, at + 1)];
	return beganMs === 0 ? null : { beganMs, endedMs };
}

/** Returns the offset after the text. */
function writeText(target: Buffer, text: string, at: number): number {
	const bytes = Buffer.from(text.slice(0, TEXT_CHARS_MAX).toWellFormed());
	target.writeUInt16LE(bytes.length, at);
	target.set(bytes, at + 2);
	return at + 2 + bytes.length;
}

function textAt(source: Buffer, at: number): string {
	return source.toString("utf8", at + 2, at + 2 + source.readUInt16LE(at));
}
