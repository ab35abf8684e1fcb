import { decode, encode } from "@atcute/cbor";
import { canonicalize } from "./canonical.ts";
import { CborError, CborScanner, Major, MapKeys, skipItem } from "./cbor.ts";
import { isBlessedCid } from "./cid.ts";
import { CBOR_KEY_BYTES_MAX, DATETIME_CHARS_MAX, DID_CHARS_MAX, FRAME_BYTES_MAX, STATUS_CHARS_MAX } from "./limits.ts";
import type { Message, MessageType, ScannedFrame } from "./message.ts";
import { Rejection } from "./rejection.ts";

/** Longer than any TID, which is checked for later: rulebook 2.6, check 7. */
const REV_BYTES_MAX = 64;
const HANDLE_BYTES_MAX = 1024;
/** For the texts of error and `#info` frames, which only go to the log. */
const TEXT_BYTES_MAX = 4096;

const MESSAGE_TYPES = ["commit", "sync", "identity", "account"] as const satisfies readonly MessageType[];

/** The canonical header of each message type: nearly every frame starts with one of these. */
const HEADERS = MESSAGE_TYPES.map((type) => ({ type, bytes: Buffer.from(encode({ op: 1, t: `#${type}` })) }));

/**
 * Scans a frame as it came from a host. Canonical frames are scanned where they lie; one that is valid but not canonical
 * is rewritten first.
 *
 * @returns what the frame is; `frame`, the canonical bytes that the offsets refer to; and whether it had to be rewritten
 * @throws Rejection `frame-too-large`, `frame-malformed`, `frame-header` or `message-schema`
 */
export function readFrame(bytes: Uint8Array): { scanned: ScannedFrame; frame: Uint8Array; rewritten: boolean } {
	try {
		return { scanned: scanFrame(bytes), frame: bytes, rewritten: false };
	} catch (error) {
		if (!(error instanceof Rejection) || error.reason !== "frame-malformed") throw error;
		let frame: Uint8Array;
		try {
			frame = canonicalize(bytes);
		} catch (unmendable) {
			if (unmendable instanceof CborError) throw new Rejection("frame-malformed", unmendable.message);
			throw unmendable;
		}
		return { scanned: scanFrame(frame), frame, rewritten: true };
	}
}

/** Scans a canonical frame (rulebook 1.2). Throws like `readFrame`, and `frame-malformed` also where it isn't canonical. */
export function scanFrame(frame: Uint8Array): ScannedFrame {
	if (frame.length > FRAME_BYTES_MAX) throw new Rejection("frame-too-large", `${frame.length} bytes`);
	const known = HEADERS.find(({ bytes }) => startsWith(frame, bytes));
	const scanner = new CborScanner(frame, known?.bytes.length ?? 0);
	if (known !== undefined) return { kind: "message", message: scanPayload(scanner, known.type) };

	const header = scanHeader(scanner);
	if (header === "error" || header === "info") return scanNotice(scanner, header);
	// A known type whose header has further fields: fields we don't know are to be ignored.
	if (header !== null) return { kind: "message", message: scanPayload(scanner, header) };
	finish(scanner, () => scanner.skip());
	return { kind: "ignored" };
}

function startsWith(frame: Uint8Array, bytes: Uint8Array): boolean {
	if (frame.length < bytes.length) return false;
	for (let i = 0; i < bytes.length; i++) if (frame[i] !== bytes[i]) return false;
	return true;
}

/** What a header announces; null for an op or type that we don't know. */
function scanHeader(scanner: CborScanner): MessageType | "info" | "error" | null {
	let op: number | null = null;
	let type: string | null = null;
	try {
		const pairs = scanner.readMap();
		const keys = new MapKeys(scanner);
		for (let i = 0; i < pairs; i++) {
			keys.next();
			if (keys.is("op")) op = readInteger(scanner);
			else if (keys.is("t")) type = scanner.readText(CBOR_KEY_BYTES_MAX);
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
	return MESSAGE_TYPES.find((known) => type === `#${known}`) ?? null;
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
	finish(scanner, () => {
		const pairs = scanner.readMap();
		const keys = new MapKeys(scanner);
		for (let i = 0; i < pairs; i++) {
			keys.next();
			if (keys.is(kind === "info" ? "name" : "error")) name = scanner.readText(TEXT_BYTES_MAX);
			else if (keys.is("message")) text = scanner.readText(TEXT_BYTES_MAX);
			else scanner.skip(1);
		}
	});
	if (name === null) throw new Rejection("message-schema", `${kind} frame without a name`);
	return kind === "info" ? { kind, name, text } : { kind, error: name, text };
}

/** Everything that a payload of any type may have. Undefined: not there. */
interface Fields {
	did?: string;
	seq?: number;
	seqStart?: number;
	seqEnd?: number;
	time?: string;
	rev?: string;
	since?: string | null;
	commit?: Uint8Array;
	blocksStart?: number;
	blocksEnd?: number;
	opsStart?: number;
	opsCount?: number;
	prevData?: Uint8Array;
	tooBig?: boolean;
	rebase?: boolean;
	blobs?: true;
	handle?: string;
	active?: boolean;
	status?: string;
}

/** The fields that we read, by type. What else there is passes unread. */
const FIELD_NAMES = {
	commit: ["ops", "rev", "seq", "repo", "time", "blobs", "since", "blocks", "commit", "rebase", "tooBig", "prevData"],
	sync: ["did", "rev", "seq", "time", "blocks"],
	identity: ["did", "seq", "time", "handle"],
	account: ["did", "seq", "time", "active", "status"],
} as const satisfies Record<MessageType, readonly string[]>;

function scanPayload(scanner: CborScanner, type: MessageType): Message {
	const fields: Fields = {};
	finish(scanner, () => {
		const pairs = scanner.readMap();
		const keys = new MapKeys(scanner);
		for (let i = 0; i < pairs; i++) {
			keys.next();
			scanField(scanner, type, keys.oneOf(FIELD_NAMES[type]), fields);
		}
	});
	return toMessage(type, fields);
}

function scanField(scanner: CborScanner, type: MessageType, key: string | null, fields: Fields): void {
	if (key === "seq") {
		fields.seqStart = scanner.offset;
		fields.seq = scanner.readUnsigned();
		fields.seqEnd = scanner.offset;
	} else if (key === "time") fields.time = scanner.readText(DATETIME_CHARS_MAX);
	else if (key === (type === "commit" ? "repo" : "did")) fields.did = scanner.readText(DID_CHARS_MAX);
	else if (type === "commit") scanCommitField(scanner, key, fields);
	else if (type === "sync") scanSyncField(scanner, key, fields);
	else if (type === "identity" && key === "handle") fields.handle = scanner.readText(HANDLE_BYTES_MAX);
	else if (type === "account" && key === "active") fields.active = scanner.readBoolean();
	else if (type === "account" && key === "status") fields.status = scanner.readText(STATUS_CHARS_MAX);
	else scanner.skip(1);
}

function scanSyncField(scanner: CborScanner, key: string | null, fields: Fields): void {
	if (key === "rev") fields.rev = scanner.readText(REV_BYTES_MAX);
	else if (key === "blocks") {
		fields.blocksStart = scanner.readBytes(FRAME_BYTES_MAX);
		fields.blocksEnd = scanner.offset;
	} else scanner.skip(1);
}

function scanCommitField(scanner: CborScanner, key: string | null, fields: Fields): void {
	switch (key) {
		case "since":
			fields.since = scanner.readNull() ? null : scanner.readText(REV_BYTES_MAX);
			return;
		case "commit":
			fields.commit = scanner.readCid();
			return;
		case "prevData":
			fields.prevData = scanner.readCid();
			return;
		case "tooBig":
			fields.tooBig = scanner.readBoolean();
			return;
		case "rebase":
			fields.rebase = scanner.readBoolean();
			return;
		case "ops":
			fields.opsCount = scanner.readArray();
			fields.opsStart = scanner.offset;
			for (let i = 0; i < fields.opsCount; i++) scanner.skip(2);
			return;
		case "blobs": {
			const count = scanner.readArray();
			for (let i = 0; i < count; i++) scanner.readCid();
			fields.blobs = true;
			return;
		}
		default:
			scanSyncField(scanner, key, fields);
	}
}

/** Checks that what the lexicon requires is there, and gives the message its type. */
function toMessage(type: MessageType, fields: Fields): Message {
	const common = {
		did: required(fields.did, type === "commit" ? "repo" : "did"),
		seq: required(fields.seq, "seq"),
		seqStart: required(fields.seqStart, "seq"),
		seqEnd: required(fields.seqEnd, "seq"),
		time: required(fields.time, "time"),
	};
	if (common.seq === 0) throw new Rejection("message-schema", "seq is not positive");
	if (type === "identity") return { type, ...common, handle: fields.handle ?? null };
	if (type === "account") {
		return { type, ...common, active: required(fields.active, "active"), status: fields.status ?? null };
	}
	const repo = {
		...common,
		rev: required(fields.rev, "rev"),
		blocksStart: required(fields.blocksStart, "blocks"),
		blocksEnd: required(fields.blocksEnd, "blocks"),
	};
	if (type === "sync") return { type, ...repo };
	required(fields.blobs, "blobs");
	return {
		type,
		...repo,
		since: required(fields.since, "since"),
		commit: blessed(required(fields.commit, "commit"), "commit"),
		opsStart: required(fields.opsStart, "ops"),
		opsCount: required(fields.opsCount, "ops"),
		prevData: fields.prevData === undefined ? null : blessed(fields.prevData, "prevData"),
		tooBig: required(fields.tooBig, "tooBig"),
		rebase: required(fields.rebase, "rebase"),
	};
}

function required<T>(value: T | undefined, field: string): T {
	if (value === undefined) throw new Rejection("message-schema", `no ${field}`);
	return value;
}

function blessed(cid: Uint8Array, field: string): Uint8Array {
	if (!isBlessedCid(cid)) throw new Rejection("message-schema", `${field} is not a CIDv1 of dag-cbor and sha-256`);
	return cid;
}

/** Runs `scan` over the payload, which has to be the frame's last item. */
function finish(scanner: CborScanner, scan: () => void): void {
	const start = scanner.offset;
	try {
		scan();
	} catch (error) {
		throw schemaOr(error, scanner.bytes, start, "message-schema");
	}
	if (scanner.offset !== scanner.end) {
		throw new Rejection("frame-malformed", `${scanner.end - scanner.offset} bytes behind the payload`);
	}
}

/** An item that is good CBOR, yet not what we look for there, breaks the schema and not the framing. */
function schemaOr(
	error: unknown,
	bytes: Uint8Array,
	start: number,
	reason: "frame-header" | "message-schema",
): unknown {
	if (!(error instanceof CborError)) return error;
	try {
		const header = reason === "frame-header";
		const itemEnd = skipItem(bytes, start, bytes.length);
		if (header || itemEnd === bytes.length) return new Rejection(reason, error.message);
	} catch (malformed) {
		if (!(malformed instanceof CborError)) return malformed;
	}
	return new Rejection("frame-malformed", error.message);
}

/**
 * Encodes a message's frame with some of its fields replaced; undefined removes one. Fields that we don't know are kept.
 * For the rare messages that the relay has to change beyond their seq.
 */
export function replaceFields(frame: Uint8Array, changes: Record<string, unknown>): Uint8Array {
	const payloadStart = skipItem(frame, 0, frame.length);
	const payload = { ...(decode(frame.subarray(payloadStart)) as Record<string, unknown>), ...changes };
	const kept = Object.fromEntries(Object.entries(payload).filter(([, value]) => value !== undefined));
	return Buffer.concat([frame.subarray(0, payloadStart), encode(kept)]);
}

/** Encodes a message of our own, such as an `#account` for a DID that was tombstoned. */
export function encodeFrame(type: MessageType, payload: Record<string, unknown>): Uint8Array {
	return Buffer.concat([encode({ op: 1, t: `#${type}` }), encode(payload)]);
}
