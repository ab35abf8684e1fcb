import { writeSync } from "node:fs";

/** Writes all of these bytes at the file's place: one call of the system may take only some of them. */
export function writeWhole(file: number, bytes: Uint8Array): void {
	for (let left = bytes; left.length > 0; ) left = left.subarray(writeSync(file, left));
}
