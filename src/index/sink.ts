import type { Sink, SinkStart } from "../log/follower.ts";
import type { StoredRecord } from "../log/record/stored-record.ts";
import type { Counters } from "../observe/counters.ts";
import { logOf } from "../observe/log.ts";
import { counter, gauge } from "../observe/metric.ts";
import { hostPages } from "./pages.ts";
import type { Recount, Takedown } from "./store.ts";
import type { IndexWriter } from "./writer.ts";

const indexRecords = counter(
	"index_records_total",
	"records applied to the index",
	"If it stops while records are appended, look at `standpipe_index_stalled` and at the database.",
);
const indexUnknownHostRecords = counter(
	"index_unknown_host_records_total",
	"times a record named a host that the index does not know because its row was lost",
	"If it is not 0, an index database was lost or is an old copy: add the missing hosts anew.",
);
const hostsLost = gauge(
	"hosts_lost",
	"hosts that were lost with an earlier index database, as this start found, and that are not followed any more",
	"If it is not 0, add these hosts anew, such as with `standpipe hosts pull`.",
);

const log = logOf("index");

export interface IndexSinkOptions {
	writer: IndexWriter;
	counters: Counters;
	/** Called after the index has applied records that told statuses of accounts. */
	onTakedowns(takedowns: Takedown[]): void;
	/** Called after the accounts of hosts were counted anew. */
	onRecounts(recounts: Recount[]): void;
}

/** The index as a reader of the log. Reports takedowns, and logs what the index lacks because the log lost it. */
export class IndexSink implements Sink {
	readonly name = "index";
	readonly #options: IndexSinkOptions;

	constructor(options: IndexSinkOptions) {
		this.#options = options;
	}

	get canGoBack(): boolean {
		return this.#options.writer.store.canGoBack;
	}

	cursor(): Promise<number> {
		return this.#options.writer.store.checkpoint();
	}

	async apply(records: readonly StoredRecord[]): Promise<number> {
		const { writer, counters, onTakedowns, onRecounts } = this.#options;
		const applied = await writer.apply(records);
		const { checkpoint } = applied;
		if (checkpoint < (records.at(-1)?.lsn ?? 0)) {
			log.warning(
				"the index has gone back to record {checkpoint} by a crash of its database, and is brought up again",
				{
					checkpoint,
				},
			);
			return checkpoint;
		}
		counters.add(indexRecords, records.length);
		counters.add(indexUnknownHostRecords, applied.unknownHostRecords);
		if (applied.takedowns.length > 0) onTakedowns(applied.takedowns);
		if (applied.recounts.length > 0) onRecounts(applied.recounts);
		return checkpoint;
	}

	/** Accounts whose records were lost become right with their next message. `caughtUp` logs a gap before the first record. */
	async gap(from: number, to: number): Promise<void> {
		if (from > 1)
			log.error("the log has a gap: the records with lsn {from} to {to} are not in the index", { from, to });
	}

	/** Logs what a new index lacks if the log's beginning is gone. Host ids are consecutive, so an id without a row is a lost host. */
	async caughtUp({ cursor, firstLsn, lastLsn }: SinkStart): Promise<void> {
		if (cursor > 0 || firstLsn <= 1 || lastLsn < firstLsn) return;
		const { known, lost } = await this.#countHosts();
		this.#options.counters.add(hostsLost, lost);
		log.error(
			"the index database is new, and the log begins at lsn {firstLsn}. {known} hosts, with their cursors, were restored from the log. " +
				"So was what the operator has set. Accounts and identities that only older records tell of are lost. To restore them, stop the " +
				"relay and put back a copy of the database",
			{ firstLsn, known },
		);
		if (lost > 0)
			log.error(
				"{lost} hosts are lost because the log's state is damaged, and are not followed any more. To restore them, stop " +
					"the relay and put back a copy of the database, or ask for the hosts again by requestCrawl",
				{ lost },
			);
	}

	async #countHosts(): Promise<{ known: number; lost: number }> {
		const { store } = this.#options.writer;
		let known = 0;
		for await (const page of hostPages(store)) known += page.length;
		return { known, lost: (await store.hostIdMax()) - known };
	}
}
