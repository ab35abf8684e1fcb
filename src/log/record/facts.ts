import { CID_BYTES } from "../../protocol/limits.ts";
import { storable } from "../../protocol/text.ts";
import { isListed, NOT_LISTED } from "../../verify/touched.ts";

/** A record gives the length of its facts in a u16. */
export const RECORD_FACTS_BYTES_MAX = 65_535;

/**
 * The facts of messages, for readers of the log that do not parse frames. The layouts are small and fixed, since facts are written
 * for every message. Numbers are little-endian. The facts of control records are in `control.ts`.
 *
 * The facts of every kind of message begin with the DID, so it is read the same way whatever the kind is:
 *
 * | field       | type |                                                              |
 * |-------------|------|--------------------------------------------------------------|
 * | didLength   | u16  |                                                              |
 * | did         |      | UTF-8                                                        |
 *
 * In a `commit` or `sync` there follows
 *
 * | field       | type |                                                              |
 * |-------------|------|--------------------------------------------------------------|
 * | commit      |      | CID of the commit, 36 bytes                                  |
 * | data        |      | CID of the root of the tree, 36 bytes                        |
 * | revLength   | u8   |                                                              |
 * | rev         |      | ASCII                                                        |
 * | touched     |      | the list of the collections that it touches (`verify/touched.ts`) |
 *
 * an `identity` with
 *
 * | field       | type |                                                              |
 * |-------------|------|--------------------------------------------------------------|
 * | timeMs      | f64  | `time` of the message, milliseconds since 1970; 0: unknown   |
 *
 * and an `account` with
 *
 * | field       | type |                                                              |
 * |-------------|------|--------------------------------------------------------------|
 * | timeMs      | f64  | as in an `identity`                                          |
 * | active      | u8   | 1 or 0                                                       |
 * | statusLength | u16 | 65,535: there is no status                                   |
 * | status      |      | UTF-8                                                        |
 *
 * Bytes after these fields come from a later release, and are ignored.
 */
const DID_AT = 2;
const TIME_BYTES = 8;
const NO_STATUS = 0xffff;

/** The facts of a `commit` or `sync` record: the account's repo is now at this commit. CIDs are binary, 36 bytes. */
export interface RepoFacts {
	did: string;
	rev: string;
	commit: Uint8Array;
	data: Uint8Array;
	/** The list of the collections that it touches (`verify/touched.ts`). Null if not listed: any collection may have changed. */
	touched: Uint8Array | null;
}

/** The facts of an `account` record: the account's status at its host. */
export interface AccountFacts {
	did: string;
	active: boolean;
	status: string | null;
	/** `time` of the message, in milliseconds since 1970; 0 if it is unknown. */
	timeMs: number;
}

/** The facts of an `identity` record. */
export interface IdentityFacts {
	did: string;
	/** As in `AccountFacts`. */
	timeMs: number;
}

/**
 * Encodes facts. If the list of collections does not fit, it is left out.
 * @throws RangeError if a CID has another length
 */
export function encodeRepoFacts({ did, rev, commit, data, touched }: RepoFacts): Uint8Array {
	if (commit.length !== CID_BYTES || data.length !== CID_BYTES) {
		throw new RangeError(`a CID of the facts is not ${CID_BYTES} bytes long`);
	}
	const repoBytes = 2 * CID_BYTES + 1 + rev.length;
	const touchedBytesMax = RECORD_FACTS_BYTES_MAX - DID_AT - Buffer.byteLength(did) - repoBytes;
	const list = touched === null || touched.length > touchedBytesMax ? NOT_LISTED : touched;
	const bytes = beginFacts(did, repoBytes + list.length);
	const at = didEnd(bytes);
	bytes.set(commit, at);
	bytes.set(data, at + CID_BYTES);
	bytes.writeUInt8(rev.length, at + 2 * CID_BYTES);
	bytes.write(rev, at + 2 * CID_BYTES + 1, "latin1");
	bytes.set(list, at + repoBytes);
	return bytes;
}

/** Decodes facts. The CIDs and the list are views into `facts`. There may be more bytes after the list. */
export function decodeRepoFacts(facts: Uint8Array): RepoFacts {
	const bytes = bufferOf(facts);
	const at = didEnd(bytes);
	const revStart = at + 2 * CID_BYTES + 1;
	const revEnd = revStart + bytes.readUInt8(revStart - 1);
	const list = bytes.subarray(revEnd);
	return {
		did: textOf(bytes, DID_AT, at),
		rev: textOf(bytes, revStart, revEnd),
		commit: bytes.subarray(at, at + CID_BYTES),
		data: bytes.subarray(at + CID_BYTES, at + 2 * CID_BYTES),
		touched: isListed(list) ? list : null,
	};
}

/** Decodes only the DID, from the facts of any kind of message. */
export function decodeDid(facts: Uint8Array): string {
	const bytes = bufferOf(facts);
	return textOf(bytes, DID_AT, didEnd(bytes));
}

export function encodeIdentityFacts({ did, timeMs }: IdentityFacts): Uint8Array {
	const bytes = beginFacts(did, TIME_BYTES);
	bytes.writeDoubleLE(timeMs, didEnd(bytes));
	return bytes;
}

export function decodeIdentityFacts(facts: Uint8Array): IdentityFacts {
	const bytes = bufferOf(facts);
	const at = didEnd(bytes);
	return { did: textOf(bytes, DID_AT, at), timeMs: bytes.readDoubleLE(at) };
}

export function encodeAccountFacts({ did, active, status, timeMs }: AccountFacts): Uint8Array {
	const statusLength = Buffer.byteLength(status ?? "");
	const bytes = beginFacts(did, TIME_BYTES + 3 + statusLength);
	const at = didEnd(bytes);
	bytes.writeDoubleLE(timeMs, at);
	bytes.writeUInt8(active ? 1 : 0, at + TIME_BYTES);
	bytes.writeUInt16LE(status === null ? NO_STATUS : statusLength, at + TIME_BYTES + 1);
	bytes.write(status ?? "", at + TIME_BYTES + 3);
	return bytes;
}

export function decodeAccountFacts(facts: Uint8Array): AccountFacts {
	const bytes = bufferOf(facts);
	const activeAt = didEnd(bytes) + TIME_BYTES;
	const statusLength = bytes.readUInt16LE(activeAt + 1);
	const statusStart = activeAt + 3;
	return {
		...decodeIdentityFacts(bytes),
		active: bytes.readUInt8(activeAt) === 1,
		status: statusLength === NO_STATUS ? null : textOf(bytes, statusStart, statusStart + statusLength),
	};
}

/** Makes facts that begin with a DID and have room for `restBytes` after it. */
function beginFacts(did: string, restBytes: number): Buffer {
	const didLength = Buffer.byteLength(did);
	const bytes = Buffer.allocUnsafe(DID_AT + didLength + restBytes);
	bytes.writeUInt16LE(didLength, 0);
	bytes.write(did, DID_AT);
	return bytes;
}

/** A text of the facts. Those that an older release admitted may contain what is refused now. */
function textOf(bytes: Buffer, start: number, end: number): string {
	return storable(bytes.toString("utf8", start, end));
}

/** The offset after the DID. */
function didEnd(bytes: Buffer): number {
	return DID_AT + bytes.readUInt16LE(0);
}

/** The same bytes as a `Buffer`, not copied. */
export function bufferOf(bytes: Uint8Array): Buffer {
	return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
