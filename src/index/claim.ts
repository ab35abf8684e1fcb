import type { Store } from "./store.ts";
import { StoreBroken } from "./store-fault.ts";

/** The log that an index is to follow, as it is at the start. */
export interface ClaimingLog {
	/** A UUID. */
	id: string;
	/** The greatest lsn that may ever have been given out. */
	lsnUsedMax: number;
	/** The operator's setting for the number of the log's first record (`RELAY_INITIAL_SEQ_NUMBER`). */
	initialSeq: number;
}

/** The index follows another log: its cursors and states are not this log's. */
export class ForeignIndexError extends StoreBroken {
	override readonly name = "ForeignIndexError";
}

/**
 * Makes a store the index of a log. A store that no log has claimed is free: it is new, or an older release made it whose logs had no
 * ids. A store of another log is refused, with one exception: it is taken over if this log is empty and the operator has its numbers
 * begin after all that the index has applied (`RELAY_INITIAL_SEQ_NUMBER`). This is how a relay goes on after its log was lost.
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
			`${place} is the index of another log, ${holder}, and not of this one, ${log.id}: put back the index of this log, or the log of that index`,
		);
	// An index that is ahead of the log is left as it is. The follower refuses it when it catches up, with a message that says so.
	if ((await store.checkpoint()) <= log.lsnUsedMax) await store.claim(log.id);
}
