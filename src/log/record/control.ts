import { decode, encode } from "@atcute/cbor";
import type { HostStatus } from "../../protocol/host-status.ts";
import { readU64, writeU64 } from "./bytes.ts";
import { bufferOf, RECORD_FACTS_BYTES_MAX } from "./facts.ts";
import { decodeStateFacts, encodeStateFacts, hasValue } from "./state-facts.ts";

/**
 * Of a `cursors` record: everything that these hosts sent up to `seq` is in the log or finally rejected. Null: the host is
 * to be followed from its live end. A later record may name a smaller seq, when the host's numbering began anew.
 */
export interface CursorsFacts {
	cursors: { host: number; seq: number | null }[];
}

/** Cursors that fit one record. */
export const CURSORS_PER_RECORD_MAX = 4_096;

const CURSOR_BYTES = 12;
/** Stands for null, in both halves of the seq. */
const NO_SEQ = 0xffff_ffff;

/** Of a `host` record: the host's whole row, but for its cursor. */
export interface HostFacts {
	id: number;
	/** Lower-case DNS name, or `localhost:PORT`. */
	hostname: string;
	/** Connected to by ws:// instead of wss://. */
	insecure: boolean;
	status: HostStatus;
	/** How often messages of it may have been missed. */
	gaps: number;
	/** When, after which of its seqs and why that was the last time, for people; null if it never was. */
	lastGap: string | null;
}

/** Of a `didDocument` record: what a DID resolved to. */
export interface DidDocumentFacts {
	did: string;
	/** `did:key` of the #atproto signing key, or null where the document has no usable one. */
	signingKey: string | null;
	/** Origin of the #atproto_pds service, such as `https://pds.example`, or null. */
	pds: string | null;
	/** The PLC directory answered 410. */
	tombstoned: boolean;
	resolvedAtMs: number;
}

/**
 * The kinds of control records. Their codes are 16 and above, and never changed. What they are to the index is in `index/fold.ts`.
 *
 * A kind with `isState` has records with the flag `state`: their facts are a key and its value (`state-facts.ts`), and the last
 * value of each key is part of the log's state (`log/state.ts`). Each segment begins with that, so such a record is never lost
 * by age, even to a release that does not know its kind. Codes 19 to 31 are kept for later kinds, with or without that flag: a
 * release passes over those that it does not know.
 */
const KINDS = {
	/** Low-water cursors of hosts, after the messages that they cover. Part of the state too, by a rule of its own. */
	cursors: { code: 16, isState: false, encode: encodeCursorsFacts, decode: decodeCursorsFacts },
	/** A host was added or its state changed. The key is its id. */
	host: { code: 17, isState: true, encode: encodeHostFacts, decode: decodeHostFacts },
	/** A DID document was resolved. It is a cache: what is lost of it is looked up again. */
	didDocument: { code: 18, isState: false, encode: encodeDidDocumentFacts, decode: decodeDidDocumentFacts },
} as const;

export type ControlKind = keyof typeof KINDS;

/** What a control record of each kind says. */
export type ControlFacts = { readonly [K in ControlKind]: ReturnType<(typeof KINDS)[K]["decode"]> };

/** A control record's kind and what it says. */
export type Control<K extends ControlKind = ControlKind> = {
	readonly [P in K]: { readonly kind: P; readonly facts: ControlFacts[P] };
}[K];

interface FactsCodec<F> {
	readonly code: number;
	readonly isState: boolean;
	encode(facts: F): Uint8Array;
	decode(bytes: Uint8Array): F;
}

/** How the facts of each kind are written. */
export const CONTROL_KINDS: { readonly [K in ControlKind]: FactsCodec<ControlFacts[K]> } = KINDS;

const NAMES = Object.keys(KINDS) as readonly ControlKind[];

/** The code of each kind in the records of the log. */
export const CONTROL_CODES = Object.fromEntries(NAMES.map((kind) => [kind, KINDS[kind].code])) as {
	readonly [K in ControlKind]: (typeof KINDS)[K]["code"];
};

/** What a control record says; null for a message, and for what only later releases write: other kinds, and removals of keys. */
export function decodeControl({ kind: code, facts }: { kind: number; facts: Uint8Array }): Control | null {
	const kind = NAMES.find((name) => KINDS[name].code === code);
	return kind === undefined ? null : controlOf(kind, facts);
}

function controlOf<K extends ControlKind>(kind: K, facts: Uint8Array): Control<K> | null {
	const { isState, decode } = CONTROL_KINDS[kind];
	return isState && !hasValue(facts) ? null : { kind, facts: decode(facts) };
}

/**
 * Layout: 12 bytes for each host, its id (u32) and its seq (u64, all bits set for null).
 *
 * @throws RangeError for more than `CURSORS_PER_RECORD_MAX` cursors: spread them over several records
 */
export function encodeCursorsFacts({ cursors }: CursorsFacts): Uint8Array {
	if (cursors.length > CURSORS_PER_RECORD_MAX) {
		throw new RangeError(`${cursors.length} cursors don't fit one record`);
	}
	const bytes = Buffer.alloc(cursors.length * CURSOR_BYTES);
	for (const [i, { host, seq }] of cursors.entries()) {
		bytes.writeUInt32LE(host, i * CURSOR_BYTES);
		if (seq === null) bytes.fill(0xff, i * CURSOR_BYTES + 4, (i + 1) * CURSOR_BYTES);
		else writeU64(bytes, seq, i * CURSOR_BYTES + 4);
	}
	return bytes;
}

export function decodeCursorsFacts(facts: Uint8Array): CursorsFacts {
	const bytes = bufferOf(facts);
	const cursors: CursorsFacts["cursors"] = [];
	for (let at = 0; at + CURSOR_BYTES <= bytes.length; at += CURSOR_BYTES) {
		const isNull = bytes.readUInt32LE(at + 4) === NO_SEQ && bytes.readUInt32LE(at + 8) === NO_SEQ;
		cursors.push({ host: bytes.readUInt32LE(at), seq: isNull ? null : readU64(bytes, at + 4) });
	}
	return { cursors };
}

/** The key of a host among those of the state. */
export function hostKey(id: number): Uint8Array {
	const key = Buffer.alloc(4);
	key.writeUInt32LE(id);
	return key;
}

/** The id of the host that a key names. */
export function hostOfKey(key: Uint8Array): number {
	return bufferOf(key).readUInt32LE(0);
}

/** Layout: state facts. The key is the id (u32), the value a map of the other fields. */
export function encodeHostFacts({ id, ...value }: HostFacts): Uint8Array {
	return encodeStateFacts({ key: hostKey(id), value: encode(value) });
}

/** @param facts that have a value */
export function decodeHostFacts(facts: Uint8Array): HostFacts {
	const { key, value } = decodeStateFacts(facts);
	const { hostname, insecure, status, gaps, lastGap }: Omit<HostFacts, "id"> = decode(value);
	return { id: hostOfKey(key), hostname, insecure, status, gaps, lastGap };
}

/** Layout: a map, DAG-CBOR. */
export function encodeDidDocumentFacts(facts: DidDocumentFacts): Uint8Array {
	const bytes = encode(facts);
	if (bytes.length > RECORD_FACTS_BYTES_MAX) throw new RangeError(`facts of ${bytes.length} bytes don't fit a record`);
	return bytes;
}

export function decodeDidDocumentFacts(facts: Uint8Array): DidDocumentFacts {
	return decode(facts);
}
