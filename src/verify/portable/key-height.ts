import { PATH_BYTES_MAX } from "../../protocol/limits.ts";
import { sha256 } from "./digest.ts";

const scratch = Buffer.alloc(PATH_BYTES_MAX);

/**
 * The level of an MST that a key belongs to: half the number of leading zero bits in its SHA-256, rounded down (rulebook 2.11.1).
 * @param key one character per byte, at most 1,024 of them
 */
export function keyHeight(key: string): number {
	const length = scratch.write(key, "latin1");
	let height = 0;
	for (const byte of sha256(scratch.subarray(0, length))) {
		if (byte !== 0) return height + ((Math.clz32(byte) - 24) >> 1);
		height += 4;
	}
	return height;
}
