import { encode } from "@atcute/cbor";
import { canonicalItem } from "./canonical.ts";
import { CborError, CborScanner, LinkError, Major, MapKeys, skipItem } from "./cbor.ts";
import { type Fields, type MessageCommon, type MessageKind, required } from "./kinds/kind.ts";
import { MESSAGE_KINDS, MESSAGE_TYPES, type Message, type MessageType } from "./kinds/table.ts";
import { CBOR_KEY_BYTES_MAX, DATETIME_CHARS_MAX, DID_CHARS_MAX, FRAME_BYTES_MAX, FRAME_ROOM_BYTES } from "./limits.ts";
import type { ScannedFrame } from "./message.ts";
import { type FieldChanges, patchFields } from "./patch.ts";
import { Rejection } from "./rejection.ts";

/** Limit of the texts in error and `#info` frames, which are only logged. */
const TEXT_BYTES_MAX = 4096;

/** A kind of message with its canonical header. Nearly every frame starts with one of these headers. */
interface Header {
	bytes: Buffer;
	type: MessageType;
	kind: MessageKind<Message>;
}

const HEADERS: readonly Header[] = MESSAGE_TYPES.map((type) => ({
	bytes: encodeHeader(type),
	type,
	kind: MESSAGE_KINDS[type],
}));

function encodeHeader(type: MessageType): Buffer {
	return Buffer.from(encode({ op: 1, t: `#${type}` }));
}

/**
 * Scans a frame as it came from a host. If every consumer can read it, it is scanned in place. If it is valid but some
 * consumers could not read it, it is rewritten (rulebook 1.2, 2.13): to canonical encoding, to the plain header of its type, and
 * to the fields that the lexicon requires.
 *
 * @returns what the frame is; `frame`, the bytes that the offsets refer to; and whether it had to be rewritten
 * @throws Rejection `frame-too-large`, `frame-malformed`, `frame-header`, `link-malformed` or `message-schema`
 */
export function readFrame(bytes: Uint8Array): { scanned: ScannedFrame; frame: Uint8Array; rewritten: boolean } {
	let frame = bytes;
	let scanned: ScannedFrame;
	try {
		scanned = scanFrame(bytes);
	} catch (error) {
		if (!(error instanceof Rejection) || error.reason !== "frame-malformed") throw error;
		frame = canonicalFrame(bytes);
		scanned = scanFrame(frame);
	}
	if (scanned.kind === "message") {
		if (frame.length > FRAME_BYTES_MAX - FRAME_ROOM_BYTES) {
			throw new Rejection("frame-too-large", `${frame.length} bytes leave no room for the relay's own seq`);
		}
		if (scanned.repairs !== null) {
			frame = repairedFrame(frame, scanned.message, scanned.repairs);
			scanned = scanFrame(frame);
		}
	}
	return { scanned, frame, rewritten: frame !== bytes };
}

/** Rewrites header and payload. After a header of an unknown op or type, everything stays as it is. */
function canonicalFrame(bytes: Uint8Array): Uint8Array {
	try {
		const { item: header, end } = canonicalItem(bytes, 0);
		const kind = scanHeader(new CborScanner(header, 0, header.length, "frame"));
		if (kind === null) return Buffer.concat([header, bytes.subarray(end)]);
		const payload = canonicalItem(bytes, end);
		return Buffer.concat([header, payload.item, bytes.subarray(payload.end)]);
	} catch (error) {
		if (error instanceof CborError) throw new Rejection("frame-malformed", error.message);
		throw error;
	}
}

/**
 * Changes the fields in `repairs`, and gives the frame the plain header of its type. Further fields of the header are dropped:
 * they are meant for us only, and some consumers fail on fields with certain names.
 */
function repairedFrame(frame: Uint8Array, message: Message, repairs: FieldChanges): Uint8Array {
	const patched = patchFields(frame, message, repairs).frame;
	const payloadStart = skipItem(patched, 0, patched.length, "frame", "unchecked");
	return Buffer.concat([encodeHeader(message.type), patched.subarray(payloadStart)]);
}

/**
 * Scans a canonical frame (rulebook 1.2). Throws like `readFrame`, and `frame-malformed` also if the frame isn't canonical. If
 * the op or type is unknown, the bytes after the header are not looked at.
 */
export function scanFrame(frame: Uint8Array): ScannedFrame {
	if (frame.length > FRAME_BYTES_MAX) throw new Rejection("frame-too-large", `${frame.length} bytes`);
	const known = canonicalHeader(frame);
	const scanner = new CborScanner(frame, known?.bytes.length ?? 0, frame.length, "frame");
	if (known !== null) return scanMessage(scanner, known.kind, {});

	const header = scanHeader(scanner);
	if (header === null) return { kind: "ignored" };
	if (header === "error" || header === "info") return scanNotice(scanner, header);
	// The type is known, but the header is not the plain one. Unknown fields must be ignored; an empty `repairs` drops them.
	return scanMessage(scanner, header.kind, { repairs: new Map() });
}

function canonicalHeader(frame: Uint8Array): Header | null {
	for (const header of HEADERS) if (startsWith(frame, header.bytes)) return header;
	return null;
}

function startsWith(frame: Uint8Array, bytes: Uint8Array): boolean {
	if (frame.length < bytes.length) return false;
	for (let i = 0; i < bytes.length; i++) if (frame[i] !== bytes[i]) return false;
	return true;
}

/**
 * What a header announces, or null for an unknown op or type. Further fields are allowed, and so is a `t` of any CBOR type if the
 * op needs none.
 */
function scanHeader(scanner: CborScanner): Header | "info" | "error" | null {
	let op: number | null = null;
	let type: string | null = null;
	try {
		const pairs = scanner.readMap();
		const keys = new MapKeys(scanner);
		for (let i = 0; i < pairs; i++) {
			keys.next();
			if (keys.is("op")) op = readInteger(scanner);
			else if (keys.is("t") && scanner.isAt(Major.text)) type = scanner.readText(CBOR_KEY_BYTES_MAX);
			else scanner.skip(1);
		}
	} catch (error) {
		throw schemaOr(error, scanner.bytes, 0, "frame-header");
	}
	if (op === -1) return "error";
	if (op === null) throw new Rejection("frame-header", "no op");
	if (op !== 1) return null;
	if (type === null) throw new Rejection("frame-header", "op 1 without t");
	if (type === "#info") return "info";
	return HEADERS.find((known) => type === `#${known.type}`) ?? null;
}

function readInteger(scanner: CborScanner): number {
	const at = scanner.offset;
	const major = scanner.readHead();
	if (major === Major.unsigned) return scanner.argument;
	if (major === Major.negative) return -1 - scanner.argument;
	throw new CborError(`expected an integer at byte ${at}`);
}

function scanNotice(scanner: CborScanner, kind: "info" | "error"): ScannedFrame {
	let name: string | null = null;
	let text: string | null = null;
	const start = scanner.offset;
	try {
		const pairs = scanner.readMap();
		const keys = new MapKeys(scanner);
		for (let i = 0; i < pairs; i++) {
			keys.next();
			if (keys.is(kind === "info" ? "name" : "error")) name = scanner.readText(TEXT_BYTES_MAX);
			else if (!keys.is("message")) scanner.skip(1);
			else if (!scanner.readNull()) text = scanner.readText(TEXT_BYTES_MAX);
		}
	} catch (error) {
		throw schemaOr(error, scanner.bytes, start, "message-schema");
	}
	checkEnd(scanner);
	if (name === null) throw new Rejection("message-schema", `${kind} frame without a name`);
	return kind === "info" ? { kind, name, text } : { kind, error: name, text };
}

function scanMessage(scanner: CborScanner, kind: MessageKind<Message>, fields: Fields): ScannedFrame {
	const start = scanner.offset;
	try {
		readFields(scanner, kind, fields);
	} catch (error) {
		throw schemaOr(error, scanner.bytes, start, "message-schema");
	}
	checkEnd(scanner);
	const message = kind.toMessage(commonOf(kind, fields), fields);
	return { kind: "message", message, repairs: fields.repairs ?? null };
}

function readFields(scanner: CborScanner, kind: MessageKind<Message>, fields: Fields): void {
	const pairs = scanner.readMap();
	const keys = new MapKeys(scanner);
	fields.count = pairs;
	for (let i = 0; i < pairs; i++) {
		keys.next();
		const name = keys.oneOf(kind.fieldNames);
		if (name === null) scanner.skip(1);
		else if (name === "seq") {
			fields.seqStart = scanner.offset;
			fields.seq = scanner.readUnsigned();
			fields.seqEnd = scanner.offset;
		} else if (name === "time") fields.time = scanner.readText(DATETIME_CHARS_MAX);
		else if (name === kind.didField) fields.did = scanner.readText(DID_CHARS_MAX);
		else kind.readField(scanner, name, fields);
	}
}

/** The fields that a message of any kind must have. */
function commonOf({ didField }: MessageKind<Message>, fields: Fields): MessageCommon {
	const common = {
		did: required(fields.did, didField),
		seq: required(fields.seq, "seq"),
		seqStart: required(fields.seqStart, "seq"),
		seqEnd: required(fields.seqEnd, "seq"),
		time: required(fields.time, "time"),
	};
	if (common.seq === 0) throw new Rejection("message-schema", "seq is not positive");
	return common;
}

/** Checks that the payload is the frame's last item. */
function checkEnd(scanner: CborScanner): void {
	if (scanner.offset === scanner.end) return;
	throw new Rejection("frame-malformed", `${scanner.end - scanner.offset} bytes after the payload`);
}

/**
 * The rejection for an item whose scan failed with `error`. The scan may have stopped at a lesser fault than the item has, so
 * the whole item is scanned again, and the gravest fault counts: bytes that are not valid CBOR, then a malformed link, and last
 * a valid item that breaks the schema, which is `reason`.
 */
function schemaOr(
	error: unknown,
	bytes: Uint8Array,
	start: number,
	reason: "frame-header" | "message-schema",
): unknown {
	if (!(error instanceof CborError)) return error;
	try {
		const itemEnd = skipItem(bytes, start, bytes.length, "frame", "unchecked");
		if (reason !== "frame-header" && itemEnd !== bytes.length) return new Rejection("frame-malformed", error.message);
		skipItem(bytes, start, bytes.length, "frame");
	} catch (graver) {
		if (!(graver instanceof CborError)) return graver;
		return new Rejection(graver instanceof LinkError ? "link-malformed" : "frame-malformed", graver.message);
	}
	return new Rejection(reason, error.message);
}

/** Encodes a message that the relay itself makes, such as an `#account` for a DID that was tombstoned. */
export function encodeFrame(type: MessageType, payload: Record<string, unknown>): Uint8Array {
	return Buffer.concat([encodeHeader(type), encode(payload)]);
}
