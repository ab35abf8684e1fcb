import { openSync } from "node:fs";
import { isTooManyFiles, reserveHeadroom, withHeadroom } from "../../src/descriptors/headroom.ts";

/** To be run with a low limit of open files. Opens files up to the limit, and prints how many of the reserve it can open then. */
const open = (): number => openSync("/dev/null", "r");

/** Opens files until the system refuses one, and returns how many it opened. */
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
