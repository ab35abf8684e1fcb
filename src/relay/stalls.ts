import type { DiskFaultReason } from "../disk/fault.ts";

/** Why the log and the index can't be written; null where they can. */
export class Stalls {
	log: DiskFaultReason | null = null;
	index: DiskFaultReason | null = null;

	/**
	 * What is wrong, in words, or null. A thread that dies takes the process with it, so there is only what can be waited for.
	 * @param isReadStalled whether a thread waits since it can't read the index
	 */
	fault(isReadStalled: boolean): string | null {
		const { log, index } = this;
		const faults: string[] = [];
		if (log !== null) faults.push(`the log can't be written (${log}): hosts are paused, consumers get what is there`);
		if (index !== null) faults.push(`the index can't be written (${index}): the log goes on without it`);
		if (isReadStalled) faults.push("the index can't be read: what needs it waits");
		return faults.length === 0 ? null : faults.join("; ");
	}
}
