import { CID_BYTES, VARINT_BYTES_MAX } from "./limits.ts";

const VERSION = 0x01;
const CODEC_DAG_CBOR = 0x71;
const CODEC_RAW = 0x55;
const HASH_SHA256 = 0x12;
const DIGEST_BYTES = 32;
/** A CID of version 0 is the multihash alone. */
const CID_V0_BYTES = 2 + DIGEST_BYTES;

/** CIDv1, dag-cbor, sha2-256, digest of 32 bytes: the only form that the protocol's own links may have (rulebook 2.8, 2.11). */
export const BLESSED_PREFIX = [VERSION, CODEC_DAG_CBOR, HASH_SHA256, DIGEST_BYTES] as const;

/** Whether a binary CID has the form of links to commits, MST nodes and records. */
export function isBlessedCid(cid: Uint8Array): boolean {
	return cid.length === CID_BYTES && BLESSED_PREFIX.every((byte, index) => cid[index] === byte);
}

/** Whether a binary CID has a form that the data model allows: CIDv1 of dag-cbor or raw bytes, by sha2-256 (rulebook 2.13). */
export function isDataModelCid(bytes: Uint8Array, start: number, end: number): boolean {
	const codec = bytes[start + 1];
	return (
		end - start === CID_BYTES &&
		bytes[start] === VERSION &&
		(codec === CODEC_DAG_CBOR || codec === CODEC_RAW) &&
		bytes[start + 2] === HASH_SHA256 &&
		bytes[start + 3] === DIGEST_BYTES
	);
}

/**
 * Whether the bytes are one complete CID of any codec and hash, with nothing after it (rulebook 2.13). It is either version 0,
 * or version 1 with varints in their shortest form and a digest of the length that it states.
 */
export function isWholeCid(bytes: Uint8Array, start: number, end: number): boolean {
	if (isDataModelCid(bytes, start, end)) return true;
	if (end - start === CID_V0_BYTES && bytes[start] === HASH_SHA256 && bytes[start + 1] === DIGEST_BYTES) return true;
	if (bytes[start] !== VERSION) return false;
	const hash = varintEnd(bytes, start + 1, end);
	const length = varintEnd(bytes, hash, end);
	const digest = varintEnd(bytes, length, end);
	return digest >= 0 && varintValue(bytes, length, digest) === end - digest;
}

/** The offset after a varint in its shortest form; -1 if there is none, or if `start` is -1. */
function varintEnd(bytes: Uint8Array, start: number, end: number): number {
	if (start < 0) return -1;
	const last = Math.min(end, start + VARINT_BYTES_MAX);
	for (let at = start; at < last; at++) {
		const byte = bytes[at] ?? 0;
		if (byte < 0x80) return byte === 0 && at > start ? -1 : at + 1;
	}
	return -1;
}

/** The value of a varint. Exact up to 2^53; a greater one is inexact, but still greater than any length. */
function varintValue(bytes: Uint8Array, start: number, end: number): number {
	let value = 0;
	for (let at = end - 1; at >= start; at--) value = value * 0x80 + ((bytes[at] ?? 0) & 0x7f);
	return value;
}
