/** Fixed-width integers of the log's files: little-endian, and 64-bit ones without a BigInt, since all stay below 2^53. */

const WORD = 0x1_0000_0000;

/** Writes a non-negative safe integer as u64. */
export function writeU64(target: Buffer, value: number, at: number): void {
	target.writeUInt32LE(value >>> 0, at);
	target.writeUInt32LE(Math.floor(value / WORD), at + 4);
}

/** Reads a u64. From 2^53 on the result is inexact and not a safe integer: check it if the bytes are not trusted. */
export function readU64(source: Buffer, at: number): number {
	return source.readUInt32LE(at) + source.readUInt32LE(at + 4) * WORD;
}
