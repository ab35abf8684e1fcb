import type { DiskFaultReason } from "../disk/fault.ts";
import type { StoreFaultReason } from "../index/store-fault.ts";

/** What the relay waits for. */
export class Stalls {
	/** Why the log and the index can't be written; null if they can. */
	log: DiskFaultReason | null = null;
	index: StoreFaultReason | null = null;
	/** Until consumers are served and hosts are dialled. Requests that name a host are refused as long. */
	isStarting = true;

	/**
	 * What is wrong, in words, or null. Only faults that can pass are listed, since a thread that dies ends the process.
	 * @param isReadStalled whether a thread waits because it can't read the index
	 */
	fault(isReadStalled: boolean): string | null {
		const { log, index, isStarting } = this;
		const faults: string[] = isStarting ? ["the relay is starting"] : [];
		if (log !== null)
			faults.push(
				`the log can't be written (${log}): hosts are paused, and consumers get only what the log has already`,
			);
		if (index !== null)
			faults.push(
				`the index can't be written (${index}): ${isStarting ? "the start waits for it" : "the log goes on without it"}`,
			);
		if (isReadStalled) faults.push("the index can't be read: messages and hosts that need it wait");
		return faults.length === 0 ? null : faults.join("; ");
	}
}
