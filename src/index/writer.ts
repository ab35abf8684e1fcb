import type { StoredRecord } from "../log/record/stored-record.ts";
import { foldRecords, touched } from "./fold.ts";
import type { Store, Takedown } from "./store.ts";

/** What applying a batch of records has shown. */
export interface Applied {
	/** For each account that they tell the status of: whether it is taken down now. */
	takedowns: Takedown[];
	/** How often they named a host that the index has no row for. */
	unknownHostRecords: number;
}

const NOTHING_APPLIED: Applied = { takedowns: [], unknownHostRecords: 0 };

/** Applies the records of one log to a store: loads the rows that they concern, folds the records, writes the changed rows. */
export class IndexWriter {
	readonly store: Store;
	readonly #logId: string;

	/** @param logId id of the log that has claimed the store */
	constructor(store: Store, logId: string) {
		this.store = store;
		this.#logId = logId;
	}

	/** Applies consecutive records and moves the checkpoint, all or nothing. After a failure it can be called again with the same ones. */
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
