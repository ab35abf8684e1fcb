import type { Rng } from "../../src/sim/rng.ts";

/** Ways to change some bytes. */
const BYTE_EDITS: ((bytes: Uint8Array, rng: Rng) => Uint8Array)[] = [
	// One bit.
	(bytes, rng) => {
		const at = rng.int(bytes.length);
		return bytes.with(at, (bytes[at] ?? 0) ^ (1 << rng.int(8)));
	},
	// One byte, often to one with a meaning in CBOR or in a varint.
	(bytes, rng) =>
		bytes.with(rng.int(bytes.length), rng.pick([0, 1, 0x18, 0x5f, 0x7f, 0x80, 0xa0, 0xf6, 0xf7, 0xff, rng.int(256)])),
	// Cut off the end.
	(bytes, rng) => bytes.subarray(0, rng.int(bytes.length)),
	// Leave some bytes out.
	(bytes, rng) => {
		const at = rng.int(bytes.length);
		return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + rng.int(8))]);
	},
	// Repeat some bytes.
	(bytes, rng) => {
		const at = rng.int(bytes.length);
		return Buffer.concat([bytes.subarray(0, at + 1 + rng.int(48)), bytes.subarray(at)]);
	},
	// Put some bytes in.
	(bytes, rng) => {
		const at = rng.int(bytes.length + 1);
		return Buffer.concat([bytes.subarray(0, at), rng.bytes(1 + rng.int(4)), bytes.subarray(at)]);
	},
];

/** Changes some bytes: a bit, a byte, or a range that is removed, repeated or inserted. */
export function editBytes(bytes: Uint8Array, rng: Rng): Uint8Array {
	return bytes.length === 0 ? bytes : rng.pick(BYTE_EDITS)(bytes, rng);
}
