import { openSync } from "node:fs";
import { isTooManyFiles } from "../../src/descriptors/headroom.ts";

export const open = (): number => openSync("/dev/null", "r");

/** Opens files until the system refuses one, and returns how many it opened. */
export function fill(openOne: () => number): number {
	for (let opened = 0; ; opened++) {
		try {
			openOne();
		} catch (error) {
			if (!isTooManyFiles(error)) throw error;
			return opened;
		}
	}
}
