import { setPriority } from "node:os";
import { logOf } from "../observe/log.ts";
import { messageOf } from "../observe/log-value.ts";

const NICENESS = 10;

/**
 * Lets this thread wait rather than the data path if cores are short. On Linux this sets the priority of the thread; elsewhere
 * it would set that of the whole process, so nothing is done. A sandbox may forbid it: then the thread runs as the others do.
 *
 * @param part the thread's name in the log
 */
export function yieldToDataPath(part: string, set: (niceness: number) => void = setPriority): void {
	if (process.platform !== "linux") return;
	try {
		set(NICENESS);
	} catch (error) {
		logOf(part).warning("this thread has no lower priority than the others: {fault}", { fault: messageOf(error) });
	}
}
