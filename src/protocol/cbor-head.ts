/** Heads of CBOR items, in their shortest form (RFC 8949, 4.2.1). */

const WORD = 0x1_0000_0000;

/** Length of a head: 1, 2, 3, 5 or 9 bytes. @param argument a non-negative safe integer */
export function headBytes(argument: number): number {
	if (argument < 24) return 1;
	if (argument < 0x100) return 2;
	if (argument < 0x1_0000) return 3;
	return argument < WORD ? 5 : 9;
}

/**
 * Writes a head and returns the offset after it.
 *
 * @param argument a non-negative safe integer
 * @throws RangeError if the target has no room for it
 */
export function writeHead(target: Buffer, major: number, argument: number, at: number): number {
	const first = major << 5;
	if (argument < 24) return target.writeUInt8(first | argument, at);
	if (argument < 0x100) return target.writeUInt8(argument, target.writeUInt8(first | 24, at));
	if (argument < 0x1_0000) return target.writeUInt16BE(argument, target.writeUInt8(first | 25, at));
	if (argument < WORD) return target.writeUInt32BE(argument, target.writeUInt8(first | 26, at));
	const low = target.writeUInt32BE(Math.floor(argument / WORD), target.writeUInt8(first | 27, at));
	return target.writeUInt32BE(argument >>> 0, low);
}

/** Encodes a head into a new buffer. @param argument a non-negative safe integer */
export function encodeHead(major: number, argument: number): Uint8Array {
	const head = Buffer.alloc(headBytes(argument));
	writeHead(head, major, argument, 0);
	return head;
}
