import type { Store } from "./store.ts";
import { StoreBroken } from "./store-fault.ts";

/** The log that an index is to follow, as a start finds it. */
export interface ClaimingLog {
	/** A UUID. */
	id: string;
	/** The greatest lsn that may ever have been given out. */
	lsnUsedMax: number;
	/** The operator's number for the first record, if the log has given out none above it. */
	initialSeq: number;
}

/** The index follows another log: its cursors and states are not this log's. */
export class ForeignIndexError extends StoreBroken {
	override readonly name = "ForeignIndexError";
}

/**
 * Makes a store the index of a log, unless it is another log's. One that no log has claimed is free: it is new, or it is of a
 * release whose logs had no ids. One of another log is taken over if the operator has this log's numbers go on after all that the
 * index has applied (`RELAY_INITIAL_SEQ_NUMBER`): so a relay goes on after its log was lost.
 *
 * @param place names the store in the error's sentence
 * @throws ForeignIndexError
 */
export async function claimIndex(store: Store, log: ClaimingLog, place: string): Promise<void> {
	const holder = await store.logId();
	if (holder === log.id) return;
	const isFree = holder === null || log.lsnUsedMax + 1 === log.initialSeq;
	if (!isFree)
		throw new ForeignIndexError(
			`${place} is the index of another log, ${holder}, and not of this one, ${log.id}: put back the index or the log that belongs to the other`,
		);
	// An index that is ahead of the log stays as it is: that is refused in words of its own when it is to catch up.
	if ((await store.checkpoint()) <= log.lsnUsedMax) await store.claim(log.id);
}
