import { CID_BYTES } from "../../protocol/limits.ts";

/** Facts must fit their u16 length. */
export const RECORD_FACTS_BYTES_MAX = 65_535;

/**
 * What a message's record says to the index, so that the index never parses a frame: small fixed layouts, since one is made
 * for every message. Control records say what they say in DAG-CBOR (`control.ts`).
 */

/** Of a `commit` or `sync` record: the account's repo is now at this commit. CIDs are binary, 36 bytes. */
export interface RepoFacts {
	did: string;
	rev: string;
	commit: Uint8Array;
	data: Uint8Array;
}

/** Of an `account` record: the account's status at its host. */
export interface AccountFacts {
	did: string;
	active: boolean;
	status: string | null;
	/** `time` of the message, in milliseconds since 1970; 0 where it is not known. */
	timeMs: number;
}

/** Of an `identity` record. */
export interface IdentityFacts {
	did: string;
	/** As in `AccountFacts`. */
	timeMs: number;
}

/** Layout: commit (36), data (36), length of rev (u8), rev, DID to the end. */
export function encodeRepoFacts(facts: RepoFacts): Uint8Array {
	if (facts.commit.length !== CID_BYTES || facts.data.length !== CID_BYTES) {
		throw new RangeError(`a CID of the facts is not ${CID_BYTES} bytes long`);
	}
	const didStart = 2 * CID_BYTES + 1 + facts.rev.length;
	const bytes = Buffer.allocUnsafe(didStart + Buffer.byteLength(facts.did));
	bytes.set(facts.commit, 0);
	bytes.set(facts.data, CID_BYTES);
	bytes.writeUInt8(facts.rev.length, 2 * CID_BYTES);
	bytes.write(facts.rev, 2 * CID_BYTES + 1, "latin1");
	bytes.write(facts.did, didStart);
	return bytes;
}

/** The CIDs are views into `facts`. */
export function decodeRepoFacts(facts: Uint8Array): RepoFacts {
	const bytes = bufferOf(facts);
	const didStart = 2 * CID_BYTES + 1 + bytes.readUInt8(2 * CID_BYTES);
	return {
		did: bytes.toString("utf8", didStart),
		rev: bytes.toString("latin1", 2 * CID_BYTES + 1, didStart),
		commit: bytes.subarray(0, CID_BYTES),
		data: bytes.subarray(CID_BYTES, 2 * CID_BYTES),
	};
}

/** The DID of repo facts alone. */
export function decodeRepoDid(facts: Uint8Array): string {
	const bytes = bufferOf(facts);
	return bytes.toString("utf8", 2 * CID_BYTES + 1 + bytes.readUInt8(2 * CID_BYTES));
}

const NO_STATUS = 0xffff;

/** Layout: active (u8), length of status (u16, 65535 for none), status, then as in identity facts. */
export function encodeAccountFacts(facts: AccountFacts): Uint8Array {
	const statusLength = facts.status === null ? 0 : Buffer.byteLength(facts.status);
	const head = Buffer.allocUnsafe(3 + statusLength);
	head.writeUInt8(facts.active ? 1 : 0, 0);
	head.writeUInt16LE(facts.status === null ? NO_STATUS : statusLength, 1);
	head.write(facts.status ?? "", 3);
	return Buffer.concat([head, encodeIdentityFacts(facts)]);
}

export function decodeAccountFacts(facts: Uint8Array): AccountFacts {
	const bytes = bufferOf(facts);
	const statusLength = bytes.readUInt16LE(1);
	const didStart = statusLength === NO_STATUS ? 3 : 3 + statusLength;
	return {
		...decodeIdentityFacts(bytes.subarray(didStart)),
		active: bytes.readUInt8(0) === 1,
		status: statusLength === NO_STATUS ? null : bytes.toString("utf8", 3, didStart),
	};
}

/** Layout: the DID, a zero byte, the time (f64). Logs of older releases have the DID alone. */
export function encodeIdentityFacts({ did, timeMs }: IdentityFacts): Uint8Array {
	const didLength = Buffer.byteLength(did);
	const bytes = Buffer.allocUnsafe(didLength + 1 + 8);
	bytes.write(did, 0);
	bytes.writeUInt8(0, didLength);
	bytes.writeDoubleLE(timeMs, didLength + 1);
	return bytes;
}

export function decodeIdentityFacts(facts: Uint8Array): IdentityFacts {
	const bytes = bufferOf(facts);
	const didEnd = bytes.indexOf(0);
	if (didEnd < 0) return { did: bytes.toString("utf8"), timeMs: 0 };
	return { did: bytes.toString("utf8", 0, didEnd), timeMs: bytes.readDoubleLE(didEnd + 1) };
}

/** The same bytes, as a Buffer. */
export function bufferOf(bytes: Uint8Array): Buffer {
	return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
