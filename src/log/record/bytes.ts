/** Fixed-width integers of the log's files: little-endian, and 64-bit ones without a BigInt, since seqs stay below 2^53. */

const WORD = 0x1_0000_0000;

/** Writes a non-negative safe integer as u64. */
export function writeU64(target: Buffer, value: number, at: number): void {
	target.writeUInt32LE(value >>> 0, at);
	target.writeUInt32LE(Math.floor(value / WORD), at + 4);
}

/** Reads a u64. Above 2^53 the result is inexact, and no safe integer: check it where the bytes are not trusted. */
export function readU64(source: Buffer, at: number): number {
	return source.readUInt32LE(at) + source.readUInt32LE(at + 4) * WORD;
}

/** Length of the canonical CBOR encoding of a non-negative safe integer: 1, 2, 3, 5 or 9 bytes (RFC 8949, 4.2.1). */
export function cborIntegerBytes(value: number): number {
	if (value < 24) return 1;
	if (value < 0x100) return 2;
	if (value < 0x1_0000) return 3;
	return value < WORD ? 5 : 9;
}

/** Writes a non-negative safe integer as canonical CBOR and returns the offset behind it. */
export function writeCborInteger(target: Buffer, value: number, at: number): number {
	const length = cborIntegerBytes(value);
	if (length === 1) return target.writeUInt8(value, at);
	if (length === 2) return target.writeUInt8(value, target.writeUInt8(0x18, at));
	if (length === 3) return target.writeUInt16BE(value, target.writeUInt8(0x19, at));
	if (length === 5) return target.writeUInt32BE(value, target.writeUInt8(0x1a, at));
	const high = target.writeUInt32BE(Math.floor(value / WORD), target.writeUInt8(0x1b, at));
	return target.writeUInt32BE(value >>> 0, high);
}
