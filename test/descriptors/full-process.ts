import { openSync } from "node:fs";
import { isTooManyFiles, reserveHeadroom, withHeadroom } from "../../src/descriptors/headroom.ts";

/** Run with a low limit of open files: takes all that it gets, and prints what it can open of the reserve. */
const open = (): number => openSync("/dev/null", "r");

/** Opens until there are too many files, and returns how many that were. */
function fill(openOne: () => number): number {
	for (let opened = 0; ; opened++) {
		try {
			openOne();
		} catch (error) {
			if (!isTooManyFiles(error)) throw error;
			return opened;
		}
	}
}

const limit = reserveHeadroom();
const taken = fill(open);
withHeadroom(open);
const between = fill(open);
const ofReserve = 1 + fill(() => withHeadroom(open));
process.stdout.write(JSON.stringify({ limit, taken, between, ofReserve }));
