import { decode, encode } from "@atcute/cbor";
import type { HostStatus } from "../../protocol/host-status.ts";
import { withStorableTexts } from "../../protocol/text.ts";
import { readU64, writeU64 } from "./bytes.ts";
import { bufferOf, RECORD_FACTS_BYTES_MAX } from "./facts.ts";
import { connectionFrom, type HostConnection } from "./host-connection.ts";
import { decodeAdminAction, encodeAdminAction, type PolicyKind, policyCodec } from "./policy-facts.ts";
import { decodeStateFacts, encodeStateFacts, hasValue } from "./state-facts.ts";

/**
 * The facts of a `cursors` record: all that these hosts sent up to `seq` is in the log or finally rejected. If `seq` is null, the
 * host is to be followed from its live end. A later record may have a smaller seq, if the host has restarted its numbering.
 */
export interface CursorsFacts {
	cursors: { host: number; seq: number | null }[];
}

/** Cursors that fit in one record. */
export const CURSORS_PER_RECORD_MAX = 4_096;

const CURSOR_BYTES = 12;
/** The value of both halves of a seq that is null. */
const NO_SEQ = 0xffff_ffff;

/** The facts of a `host` record: the host's whole row except its cursor. */
export interface HostFacts {
	id: number;
	/** Lower-case DNS name, or `localhost:PORT`. */
	hostname: string;
	/** Whether the relay connects by ws:// instead of wss://. */
	insecure: boolean;
	status: HostStatus;
	/** How often messages of the host may have been missed. */
	gaps: number;
	/** The last of these gaps as a text: when, after which upstream seq and why. Null if there was none. */
	lastGap: string | null;
	connection: HostConnection;
}

/** The facts of a `didDocument` record: what a DID resolved to. */
export interface DidDocumentFacts {
	did: string;
	/** `did:key` of the #atproto signing key, or null if the document has no usable one. */
	signingKey: string | null;
	/** Origin of the #atproto_pds service, such as `https://pds.example`, or null if there is no usable one. */
	pds: string | null;
	/** Whether the PLC directory answered 410. */
	tombstoned: boolean;
	resolvedAtMs: number;
}

/** The facts of a `recount` record. */
export interface RecountFacts {
	/** The host's id. */
	host: number;
}

/**
 * The kinds of control records. Their codes are 16 or above, and must never change. What the index does with them is in
 * `index/fold.ts`.
 *
 * A kind with `isState` has records with the flag `state`: their facts are a key and its value (`state-facts.ts`), and the last
 * value of each key is part of the log's state (`log/state.ts`). Each segment begins with the state, so retention never loses such
 * a record, even under a release that does not know its kind. Codes 25 to 31 are reserved for later kinds, with or without that
 * flag. A release skips those that it does not know.
 *
 * A kind with `hasRemovals` also says something when it takes the value of a key away.
 */
const KINDS = {
	/** Cursors of hosts, written after the messages that they cover. They are part of the state too, by their own rule. */
	cursors: { code: 16, isState: false, hasRemovals: false, encode: encodeCursorsFacts, decode: decodeCursorsFacts },
	/** A host was added or its state changed. The key is its id. */
	host: { code: 17, isState: true, hasRemovals: false, encode: encodeHostFacts, decode: decodeHostFacts },
	/** A DID document was resolved. These records are a cache: what is lost is looked up again. */
	didDocument: {
		code: 18,
		isState: false,
		hasRemovals: false,
		encode: encodeDidDocumentFacts,
		decode: decodeDidDocumentFacts,
	},
	/** The operator has taken down or suspended an account, or undone that. The key is the DID. */
	localStatus: { code: 19, ...policyKind("localStatus") },
	/** The operator has set something for a host. The key is its name: the host need not be known yet. */
	hostPolicy: { code: 20, ...policyKind("hostPolicy") },
	/** The operator has banned a domain, or lifted the ban. The key is the domain. */
	domainBan: { code: 21, ...policyKind("domainBan") },
	/** The operator has changed a setting while the relay runs. The key is its name. */
	setting: { code: 22, ...policyKind("setting") },
	/** An admin did something: a line of the audit log. */
	adminAction: { code: 23, isState: false, hasRemovals: false, encode: encodeAdminAction, decode: decodeAdminAction },
	/** The index is to count the accounts of a host anew. */
	recount: { code: 24, isState: false, hasRemovals: false, encode: encodeRecountFacts, decode: decodeRecountFacts },
} as const;

function policyKind<K extends PolicyKind>(kind: K) {
	return { isState: true, hasRemovals: true, ...policyCodec(kind) } as const;
}

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
	readonly hasRemovals: boolean;
	encode(facts: F): Uint8Array;
	decode(bytes: Uint8Array): F;
}

/** The code and the encoding of each kind. */
export const CONTROL_KINDS: { readonly [K in ControlKind]: FactsCodec<ControlFacts[K]> } = KINDS;

const NAMES = Object.keys(KINDS) as readonly ControlKind[];

/** The code of each kind in the records of the log. */
export const CONTROL_CODES = Object.fromEntries(NAMES.map((kind) => [kind, KINDS[kind].code])) as {
	readonly [K in ControlKind]: (typeof KINDS)[K]["code"];
};

/**
 * What a control record says. Null for a message, and for what only later releases write: other kinds, and removals of the keys of
 * kinds that have none.
 */
export function decodeControl({ kind: code, facts }: { kind: number; facts: Uint8Array }): Control | null {
	const kind = NAMES.find((name) => KINDS[name].code === code);
	return kind === undefined ? null : controlOf(kind, facts);
}

function controlOf<K extends ControlKind>(kind: K, facts: Uint8Array): Control<K> | null {
	const { isState, hasRemovals, decode } = CONTROL_KINDS[kind];
	const isUnread = isState && !hasRemovals && !hasValue(facts);
	return isUnread ? null : { kind, facts: decode(facts) };
}

/**
 * Layout: 12 bytes for each host: its id (u32) and its seq (u64, all bits set for null).
 *
 * @throws RangeError for more than `CURSORS_PER_RECORD_MAX` cursors; the caller must spread them over several records
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

/** Layout: the host's id (u32). */
export function encodeRecountFacts({ host }: RecountFacts): Uint8Array {
	return hostKey(host);
}

export function decodeRecountFacts(facts: Uint8Array): RecountFacts {
	return { host: hostOfKey(facts) };
}

/** The key of a host in the log's state. */
export function hostKey(id: number): Uint8Array {
	const key = Buffer.alloc(4);
	key.writeUInt32LE(id);
	return key;
}

/** The id of the host that has this key. */
export function hostOfKey(key: Uint8Array): number {
	return bufferOf(key).readUInt32LE(0);
}

/** Layout: state facts. The key is the id (u32). The value is a map of the other fields, as DAG-CBOR. */
export function encodeHostFacts({ id, ...value }: HostFacts): Uint8Array {
	return encodeStateFacts({ key: hostKey(id), value: encode(value) });
}

/** @param facts that have a value */
export function decodeHostFacts(facts: Uint8Array): HostFacts {
	const { key, value } = decodeStateFacts(facts);
	const told: Omit<HostFacts, "id"> = decode(value);
	const { hostname, insecure, status, gaps, lastGap } = told;
	const connection = connectionFrom(told.connection);
	return withStorableTexts({ id: hostOfKey(key), hostname, insecure, status, gaps, lastGap, connection });
}

/** Layout: a map, as DAG-CBOR. @throws RangeError if it does not fit in a record */
export function encodeDidDocumentFacts(facts: DidDocumentFacts): Uint8Array {
	const bytes = encode(facts);
	if (bytes.length > RECORD_FACTS_BYTES_MAX) throw new RangeError(`facts of ${bytes.length} bytes don't fit a record`);
	return bytes;
}

export function decodeDidDocumentFacts(facts: Uint8Array): DidDocumentFacts {
	return withStorableTexts<DidDocumentFacts>(decode(facts));
}
