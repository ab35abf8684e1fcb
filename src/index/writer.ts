import type { StoredRecord } from "../log/record/stored-record.ts";
import { foldRecords, touched } from "./fold.ts";
import type { Store, Takedown } from "./store.ts";

/** What came of a batch of records. */
export interface Applied {
	/** Of each account whose status they tell of, whether it is taken down now. */
	takedowns: Takedown[];
	/** How often they named a host that the index does not know. */
	unknownHostRecords: number;
}

const NOTHING_APPLIED: Applied = { takedowns: [], unknownHostRecords: 0 };

/** Applies the records of one log to a store: loads the rows that they touch, folds, writes what comes of it. */
export class IndexWriter {
	readonly store: Store;
	readonly #logId: string;

	/** @param logId of the log that has claimed the store */
	constructor(store: Store, logId: string) {
		this.store = store;
		this.#logId = logId;
	}

	/** Applies consecutive records and moves the checkpoint, as a whole or not at all. After a failure it can be called again. */
	async apply(records: readonly StoredRecord[]): Promise<Applied> {
		const last = records.at(-1);
		if (last === undefined) return NOTHING_APPLIED;
		const { rows, checkpoint } = await this.store.load(touched(records));
		const changes = foldRecords(records, rows);
		await this.store.write(changes, { after: checkpoint, last: last.lsn }, this.#logId);
		const { takedowns, unknownHostRecords } = changes;
		return { takedowns, unknownHostRecords };
	}
}
