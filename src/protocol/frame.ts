import { encode } from "@atcute/cbor";
import { canonicalItem } from "./canonical.ts";
import { CborError, CborScanner, LinkError, Major, MapKeys, skipItem } from "./cbor.ts";
import { isBlessedCid } from "./cid.ts";
import {
	CBOR_KEY_BYTES_MAX,
	DATETIME_CHARS_MAX,
	DID_CHARS_MAX,
	FRAME_BYTES_MAX,
	FRAME_CONTAINER_ITEMS_MAX,
	FRAME_ROOM_BYTES,
	STATUS_CHARS_MAX,
} from "./limits.ts";
import type { Message, MessageType, ScannedFrame } from "./message.ts";
import { type FieldChanges, patchFields, skipLookingForNull, withoutNulls } from "./patch.ts";
import { Rejection } from "./rejection.ts";

/** Longer than any TID, which is checked for later: rulebook 2.6, check 7. */
const REV_BYTES_MAX = 64;
const HANDLE_BYTES_MAX = 1024;
/** For the texts of error and `#info` frames, which only go to the log. */
const TEXT_BYTES_MAX = 4096;

const MESSAGE_TYPES = ["commit", "sync", "identity", "account"] as const satisfies readonly MessageType[];

/** The canonical header of each message type: nearly every frame starts with one of these. */
const HEADERS = MESSAGE_TYPES.map((type) => ({ type, bytes: encodeHeader(type) }));

function encodeHeader(type: MessageType): Buffer {
	return Buffer.from(encode({ op: 1, t: `#${type}` }));
}

/**
 * Scans a frame as it came from a host. One that every consumer can read is scanned where it lies; one that is valid in
 * another way is rewritten first (rulebook 1.2, 2.13): to canonical encoding, to the plain header of its type, and to the
 * fields that the lexicon asks for.
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

/** Rewrites header and payload. What follows a header that announces nothing we know stays as it is, whatever that is. */
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
 * Changes the fields that need it, and gives the frame the plain header of its type. The header is between a host and us: its
 * further fields end here, since some consumers stop at those of certain names.
 */
function repairedFrame(frame: Uint8Array, message: Message, repairs: FieldChanges): Uint8Array {
	const patched = patchFields(frame, message, repairs).frame;
	const payloadStart = skipItem(patched, 0, patched.length, "frame", "unchecked");
	return Buffer.concat([encodeHeader(message.type), patched.subarray(payloadStart)]);
}

/**
 * Scans a canonical frame (rulebook 1.2). Throws like `readFrame`, and `frame-malformed` also where it isn't canonical. What
 * a frame of another kind holds after its header is not looked at.
 */
export function scanFrame(frame: Uint8Array): ScannedFrame {
	if (frame.length > FRAME_BYTES_MAX) throw new Rejection("frame-too-large", `${frame.length} bytes`);
	const known = HEADERS.find(({ bytes }) => startsWith(frame, bytes));
	const scanner = new CborScanner(frame, known?.bytes.length ?? 0, frame.length, "frame");
	if (known !== undefined) return scanMessage(scanner, known.type, {});

	const header = scanHeader(scanner);
	if (header === null) return { kind: "ignored" };
	if (header === "error" || header === "info") return scanNotice(scanner, header);
	// A known type whose header has further fields: fields we don't know are to be ignored.
	return scanMessage(scanner, header, { repairs: new Map() });
}

function startsWith(frame: Uint8Array, bytes: Uint8Array): boolean {
	if (frame.length < bytes.length) return false;
	for (let i = 0; i < bytes.length; i++) if (frame[i] !== bytes[i]) return false;
	return true;
}

/**
 * What a header announces; null for an op or type that we don't know. Further fields are allowed, and so is a `t` of any
 * kind where the op asks for none.
 */
function scanHeader(scanner: CborScanner): MessageType | "info" | "error" | null {
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
			else if (!keys.is("message")) scanner.skip(1);
			else if (!scanner.readNull()) text = scanner.readText(TEXT_BYTES_MAX);
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
	/** How many fields there are. */
	count?: number;
	/** What has to be changed so that every consumer can read the message. */
	repairs?: Map<string, Uint8Array | null>;
}

/** The fields that we read, by type. What else there is passes unread. */
const FIELD_NAMES = {
	commit: ["ops", "rev", "seq", "repo", "time", "blobs", "since", "blocks", "commit", "rebase", "tooBig", "prevData"],
	sync: ["did", "rev", "seq", "time", "blocks"],
	identity: ["did", "seq", "time", "handle"],
	account: ["did", "seq", "time", "active", "status"],
} as const satisfies Record<MessageType, readonly string[]>;

function scanMessage(scanner: CborScanner, type: MessageType, fields: Fields): ScannedFrame {
	finish(scanner, () => {
		const pairs = scanner.readMap();
		const keys = new MapKeys(scanner);
		fields.count = pairs;
		for (let i = 0; i < pairs; i++) {
			keys.next();
			scanField(scanner, type, keys.oneOf(FIELD_NAMES[type]), fields);
		}
	});
	return { kind: "message", message: toMessage(type, fields), repairs: fields.repairs ?? null };
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
	else if (type === "account" && key === "active") fields.active = scanner.readBoolean();
	else if (key === "handle" && !skipNull(scanner, key, fields)) fields.handle = scanner.readText(HANDLE_BYTES_MAX);
	else if (key === "status" && !skipNull(scanner, key, fields)) fields.status = scanner.readText(STATUS_CHARS_MAX);
	else if (key === null) scanner.skip(1);
}

/** Passes over the null of a field that may be absent, if there is one: it means the same, but not every consumer knows that. */
function skipNull(scanner: CborScanner, key: string, fields: Fields): boolean {
	if (!scanner.readNull()) return false;
	fields.repairs ??= new Map();
	fields.repairs.set(key, null);
	return true;
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
			if (!skipNull(scanner, key, fields)) fields.prevData = scanner.readCid();
			return;
		case "tooBig":
			if (!skipNull(scanner, key, fields)) fields.tooBig = scanner.readBoolean();
			return;
		case "rebase":
			if (!skipNull(scanner, key, fields)) fields.rebase = scanner.readBoolean();
			return;
		case "ops":
			scanOps(scanner, fields);
			return;
		case "blobs":
			if (!skipNull(scanner, key, fields)) scanBlobs(scanner, fields);
			return;
		default:
			scanSyncField(scanner, key, fields);
	}
}

/** What ops say is for the engine; but a `prev` that is null, as if it were absent, is left out. */
function scanOps(scanner: CborScanner, fields: Fields): void {
	const start = scanner.offset;
	const count = scanner.readArray();
	fields.opsCount = count;
	fields.opsStart = scanner.offset;
	let hasNull = false;
	for (let i = 0; i < count; i++) hasNull = skipLookingForNull(scanner, "prev", 2) || hasNull;
	if (!hasNull) return;
	fields.repairs ??= new Map();
	fields.repairs.set("ops", withoutNulls(scanner.bytes, start, "prev"));
}

function scanBlobs(scanner: CborScanner, fields: Fields): void {
	const count = scanner.readArray();
	for (let i = 0; i < count; i++) scanner.readCid();
	fields.blobs = true;
}

/**
 * What a commit may lack although the lexicon requires it, with the value that goes out for it: the first commit of a repo
 * has no `since`, and the other fields are deprecated.
 */
const COMMIT_DEFAULTS = [
	["since", encode(null)],
	["rebase", encode(false)],
	["tooBig", encode(false)],
	["blobs", encode([])],
] as const;

function completeCommit(fields: Fields): void {
	fields.repairs ??= new Map();
	for (const [name, value] of COMMIT_DEFAULTS) if (fields[name] === undefined) fields.repairs.set(name, value);
}

/** Checks that nothing is absent that a message can't do without, and gives the message its type. */
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
		const { status = null } = fields;
		if (status === null && fields.count === FRAME_CONTAINER_ITEMS_MAX) {
			throw new Rejection("message-schema", "so many fields that there is no room for a status");
		}
		return { type, ...common, active: required(fields.active, "active"), status };
	}
	const repo = {
		...common,
		rev: required(fields.rev, "rev"),
		blocksStart: required(fields.blocksStart, "blocks"),
		blocksEnd: required(fields.blocksEnd, "blocks"),
	};
	if (type === "sync") return { type, ...repo };
	const { since, rebase, tooBig, blobs } = fields;
	if (since === undefined || rebase === undefined || tooBig === undefined || blobs === undefined)
		completeCommit(fields);
	return {
		type,
		...repo,
		since: since ?? null,
		commit: blessed(required(fields.commit, "commit"), "commit"),
		opsStart: required(fields.opsStart, "ops"),
		opsCount: required(fields.opsCount, "ops"),
		prevData: fields.prevData === undefined ? null : blessed(fields.prevData, "prevData"),
		tooBig: tooBig ?? false,
		rebase: rebase ?? false,
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

/**
 * What is wrong with an item whose scan failed: it is no good CBOR, or a link in it is malformed, or it is good, yet not what
 * we look for there, which breaks the schema and not the framing. The gravest counts, wherever the scan stopped.
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

/** Encodes a message of our own, such as an `#account` for a DID that was tombstoned. */
export function encodeFrame(type: MessageType, payload: Record<string, unknown>): Uint8Array {
	return Buffer.concat([encodeHeader(type), encode(payload)]);
}
