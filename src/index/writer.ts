import type { StoredRecord } from "../log/record/stored-record.ts";
import { foldRecords, touched } from "./fold.ts";
import type { Recount, Store, Takedown } from "./store.ts";

/** What applying a batch of records has shown. */
export interface Applied {
	/**
	 * Lsn up to which the store has the log now: that of the last record. It is a lesser one only if the store has gone back, and a greater
	 * one only if an earlier call with more records had succeeded without an answer.
	 */
	checkpoint: number;
	/** For each account that they tell the status of: whether it is taken down now. */
	takedowns: Takedown[];
	/** Hosts whose accounts were counted anew. */
	recounts: Recount[];
	/** How often they named a host that the index has no row for. */
	unknownHostRecords: number;
}

/** Applies the records of one log to a store: loads the rows that they concern, folds the records, writes the changed rows. */
export class IndexWriter {
	readonly store: Store;
	readonly #logId: string;
	/** The checkpoint that the store must have; null until it is known. */
	#checkpoint: number | null = null;
	/** What the last write showed, until it is known whether the store has it. */
	#unsure: Applied | null = null;

	/** @param logId id of the log that has claimed the store */
	constructor(store: Store, logId: string) {
		this.store = store;
		this.#logId = logId;
	}

	/**
	 * Applies consecutive records and moves the checkpoint, all or nothing. After a failure it can be called again with the same ones or
	 * the first of them: if they were written after all, they are not written again. If a crash of the database has undone earlier batches, nothing is written,
	 * and the caller has to go on after `checkpoint`.
	 */
	async apply(records: readonly StoredRecord[]): Promise<Applied> {
		const last = records.at(-1);
		if (last === undefined) return nothingAt(await this.store.checkpoint());
		const { rows, checkpoint } = await this.store.load(touched(records));
		this.#checkpoint ??= checkpoint;
		const after = this.#checkpoint;
		if (checkpoint < after) {
			this.#checkpoint = checkpoint;
			return nothingAt(checkpoint);
		}
		// A fold over rows that contain the records would not show the same.
		if (checkpoint > after && checkpoint === this.#unsure?.checkpoint) {
			this.#checkpoint = checkpoint;
			return this.#unsure;
		}
		const changes = foldRecords(records, rows);
		const { takedowns, recounts, unknownHostRecords } = changes;
		this.#unsure = { checkpoint: last.lsn, takedowns, recounts, unknownHostRecords };
		await this.store.write(changes, { after, last: last.lsn }, this.#logId);
		this.#checkpoint = last.lsn;
		return this.#unsure;
	}
}

function nothingAt(checkpoint: number): Applied {
	return { checkpoint, takedowns: [], recounts: [], unknownHostRecords: 0 };
}
