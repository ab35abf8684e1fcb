import { decode, encode } from "@atcute/cbor";
import type { HostStatus } from "../../protocol/host-status.ts";
import { RECORD_FACTS_BYTES_MAX } from "./facts.ts";

/**
 * Of a `cursors` record: everything that these hosts sent up to `seq` is in the log or finally rejected. Null: the host is
 * to be followed from its live end. A later record may name a smaller seq, when the host's numbering began anew.
 */
export interface CursorsFacts {
	cursors: { host: number; seq: number | null }[];
}

/** Cursors that surely fit one record: each takes 15 bytes at most. */
export const CURSORS_PER_RECORD_MAX = 4_096;

/** Of a `host` record: the host's whole row, but for its cursor. */
export interface HostFacts {
	id: number;
	/** Lower-case DNS name, or `localhost:PORT`. */
	hostname: string;
	/** Connected to by ws:// instead of wss://. */
	insecure: boolean;
	status: HostStatus;
	/** How often messages of it may have been missed. Absent in logs of older releases. */
	gaps?: number;
	/** When, after which of its seqs and why that was the last time, for people; null where it never was. */
	lastGap?: string | null;
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

/** The kinds of control records. Their codes are 16 and above, and never changed. What they are to the index is in `index/fold.ts`. */
const KINDS = {
	/** Low-water cursors of hosts, after the messages that they cover. */
	cursors: { code: 16, encode: encodeCursorsFacts, decode: decodeCursorsFacts },
	/** A host was added or its state changed. */
	host: { code: 17, encode: encodeHostFacts, decode: decodeHostFacts },
	/** A DID document was resolved. */
	didDocument: { code: 18, encode: encodeDidDocumentFacts, decode: decodeDidDocumentFacts },
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

/** What a control record says; null for a message, and for a kind of a later release. */
export function decodeControl({ kind: code, facts }: { kind: number; facts: Uint8Array }): Control | null {
	const kind = NAMES.find((name) => KINDS[name].code === code);
	return kind === undefined ? null : controlOf(kind, facts);
}

function controlOf<K extends ControlKind>(kind: K, facts: Uint8Array): Control<K> {
	return { kind, facts: CONTROL_KINDS[kind].decode(facts) };
}

/**
 * Encoded as pairs, to fit many hosts into one record.
 *
 * @throws RangeError for more than `CURSORS_PER_RECORD_MAX` cursors: spread them over several records
 */
export function encodeCursorsFacts(facts: CursorsFacts): Uint8Array {
	if (facts.cursors.length > CURSORS_PER_RECORD_MAX) {
		throw new RangeError(`${facts.cursors.length} cursors don't fit one record`);
	}
	return encode(facts.cursors.map(({ host, seq }) => [host, seq]));
}

export function decodeCursorsFacts(facts: Uint8Array): CursorsFacts {
	const pairs: [host: number, seq: number | null][] = decode(facts);
	return { cursors: pairs.map(([host, seq]) => ({ host, seq })) };
}

export function encodeHostFacts(facts: HostFacts): Uint8Array {
	return encodeControlFacts(facts);
}

export function decodeHostFacts(facts: Uint8Array): HostFacts {
	return decode(facts);
}

export function encodeDidDocumentFacts(facts: DidDocumentFacts): Uint8Array {
	return encodeControlFacts(facts);
}

export function decodeDidDocumentFacts(facts: Uint8Array): DidDocumentFacts {
	return decode(facts);
}

function encodeControlFacts(facts: HostFacts | DidDocumentFacts): Uint8Array {
	const bytes = encode(facts);
	if (bytes.length > RECORD_FACTS_BYTES_MAX) throw new RangeError(`facts of ${bytes.length} bytes don't fit a record`);
	return bytes;
}
