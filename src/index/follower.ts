import { RETRY_MS, type Stall } from "../disk/stall.ts";
import type { LogEnd, PositionSnapshot } from "../log/position.ts";
import { Batch, Gap } from "../log/record/batch.ts";
import type { StoredRecord } from "../log/record/stored-record.ts";
import type { Counters } from "../observe/counters.ts";
import { logOf } from "../observe/log.ts";
import type { DatabaseFiles } from "./sqlite/database-files.ts";
import type { IndexWriter, Takedown } from "./store.ts";

/** One transaction holds no more than this. More records tell of the same accounts and hosts and cost one row each. */
const RECORDS_MAX = 5000;
const BATCH_BYTES_MAX = 32 * 1024 * 1024;
const HOSTS_PAGE = 1_000;
/** The head wakes the follower; this is only how soon a stop is noticed without a new record. */
const WAIT_MS = 250;
/**
 * Records are gathered for so long, since a transaction costs about the same for one as for hundreds, and its syncs get in
 * the way of the log's. Nobody waits for the index: shards know what it has not applied yet.
 */
const GATHER_MS = 25;

const log = logOf("index");

/** The log's end, as the follower needs it. */
export interface FollowedHead {
	snapshot(): Pick<PositionSnapshot, "firstSeq" | "lastSeq" | "seqUsedMax" | "durableSeq">;
	wait(seq: number, timeoutMs: number, end: LogEnd): Promise<void>;
	setApplied(seq: number): void;
}

/** The log, as the follower needs it. */
export interface FollowedLog {
	read(cursor: number): Batch | Gap | null;
}

export interface FollowerOptions {
	/** Told where the database can't be written. */
	stall: Stall;
	/** Waits before the next attempt, or for more records. */
	sleep(ms: number): Promise<void>;
	/** Tells the disk's faults from damage to the database. */
	files: DatabaseFiles;
	/** Called when statuses that the log told of are in the index. */
	onTakedowns(takedowns: Takedown[]): void;
}

/** The index is ahead of the log. */
export class CheckpointError extends Error {
	override readonly name = "CheckpointError";
}

/**
 * Keeps the index at the end of the log: a reader of the log like any other, whose sink is the database. It takes only what is
 * durable in the log. Else a power cut could leave the database ahead of it: with a host's cursor past messages that the log
 * has lost, or with a rev that makes them stale when the host sends them again (invariant 4).
 */
export class IndexFollower {
	readonly #writer: IndexWriter;
	readonly #source: FollowedLog;
	readonly #head: FollowedHead;
	readonly #counters: Counters;
	readonly #options: FollowerOptions;
	#cursor = 0;
	#isStopping = false;

	constructor(
		writer: IndexWriter,
		source: FollowedLog,
		head: FollowedHead,
		counters: Counters,
		options: FollowerOptions,
	) {
		this.#writer = writer;
		this.#source = source;
		this.#head = head;
		this.#counters = counters;
		this.#options = options;
	}

	/**
	 * Applies what the log has behind the checkpoint, such as after a crash.
	 * @throws CheckpointError where the log ends before the checkpoint, so that its seqs would be used a second time
	 */
	async catchUp(): Promise<void> {
		this.#cursor = (await this.#untilDone(() => this.#writer.checkpoint())) ?? 0;
		const { firstSeq, lastSeq, seqUsedMax } = this.#head.snapshot();
		if (this.#cursor > seqUsedMax)
			throw new CheckpointError(
				`the index has applied the log up to seq ${this.#cursor}, but the log ends at seq ${seqUsedMax}: the log's folder ` +
					"was emptied, or an older copy was put back. Put the right log back; or go on without what it held by " +
					`setting RELAY_INITIAL_SEQ_NUMBER above ${this.#cursor}`,
			);
		// A log that has no records yet lacks none, wherever its seqs are to begin.
		if (this.#cursor === 0 && lastSeq < firstSeq) this.#cursor = lastSeq;
		this.#head.setApplied(this.#cursor);
		const isNew = this.#cursor === 0;
		while (this.#cursor < lastSeq && (await this.#step()) !== "nothing");
		if (isNew && firstSeq > 1 && lastSeq >= firstSeq) await this.#reportLoss(firstSeq);
		log.info("the index is at seq {seq}", { seq: this.#cursor });
	}

	/** Follows the log until `stop` is called, and then to its end. */
	async run(): Promise<void> {
		for (;;) {
			const isStopping = this.#isStopping;
			const applied = await this.#step();
			if (applied === "nothing" && isStopping) return;
			if (applied === "nothing") await this.#head.wait(this.#cursor, WAIT_MS, "durableSeq");
			// A turn of the event loop: else a busy log would let no message of the control thread through.
			if (applied === "full" || isStopping) await new Promise((resolve) => setImmediate(resolve));
			else await this.#options.sleep(GATHER_MS);
		}
	}

	/**
	 * Makes `run` return when it has applied everything that the log has published by now; or soon, where the database can't
	 * be written: what is left is applied at the next start.
	 */
	stop(): void {
		this.#isStopping = true;
	}

	/**
	 * Applies a stretch of the log: `some` to its durable end, or a `full` transaction. `nothing` if there is nothing after the
	 * cursor yet, or it can't be applied before a stop.
	 */
	async #step(): Promise<"nothing" | "some" | "full"> {
		const start = this.#cursor;
		const { durableSeq } = this.#head.snapshot();
		const records: StoredRecord[] = [];
		let bytes = 0;
		let isFull = false;
		let read = await this.#readUpTo(durableSeq);
		while (read instanceof Batch) {
			const first = read.indexAfter(this.#cursor);
			const end = read.indexAfter(durableSeq);
			// Seqs were left out up to a record that is not durable yet.
			if (first === end) break;
			for (let at = first; at < end; at++) records.push(withoutFrame(read.record(at)));
			this.#cursor = read.seq(end - 1);
			bytes += read.bytes.length;
			isFull = records.length >= RECORDS_MAX || bytes >= BATCH_BYTES_MAX;
			if (isFull) break;
			read = await this.#readUpTo(durableSeq);
		}
		if (!(await this.#apply(records))) return "nothing";
		this.#counters.add("index_records_total", records.length);
		if (read instanceof Gap) this.#pass(read);
		this.#head.setApplied(this.#cursor);
		if (isFull) return "full";
		return this.#cursor > start ? "some" : "nothing";
	}

	/** Null also where a stop comes before it can be read. */
	#readUpTo(seq: number): Promise<Batch | Gap | null> {
		return this.#untilDone(async () => (this.#cursor < seq ? this.#source.read(this.#cursor) : null));
	}

	/** Applies records. False where a stop comes first. */
	async #apply(records: readonly StoredRecord[]): Promise<boolean> {
		const applied = await this.#untilDone(() => this.#writer.apply(records));
		if (applied === null) return false;
		this.#counters.add("index_unknown_host_records_total", applied.unknownHostRecords);
		if (applied.takedowns.length > 0) this.#options.onTakedowns(applied.takedowns);
		return true;
	}

	/**
	 * Does what needs the disk, as often as it takes: the log keeps what is not applied, and its readers need nothing of us.
	 * Null where a stop comes first.
	 */
	async #untilDone<Result>(work: () => Promise<Result>): Promise<Result | null> {
		const { stall, sleep, files } = this.#options;
		for (;;) {
			const isLastTry = this.#isStopping;
			try {
				const result = await files.attempt(work);
				stall.end();
				return result;
			} catch (error) {
				stall.note(error);
			}
			if (isLastTry) return null;
			await sleep(RETRY_MS);
		}
	}

	/** What a gap held is lost to the index too. The accounts in it are put right by their next message. */
	#pass(gap: Gap): void {
		const seqs = { from: this.#cursor + 1, to: gap.lastSeq };
		if (this.#cursor > 0)
			log.error("the log has a gap: what it held from seq {from} to {to} is not in the index", seqs);
		this.#cursor = gap.lastSeq;
	}

	/** A new index for a log whose beginning is gone. Host ids are given away one after the other: those without a row are lost. */
	async #reportLoss(firstSeq: number): Promise<void> {
		const lost = (await this.#untilDone(() => this.#countLost())) ?? 0;
		this.#counters.add("hosts_lost", lost);
		log.error(
			"the index database is new, and the log begins at seq {firstSeq}: what only older records told of hosts, accounts and " +
				"identities is lost. {lost} hosts are not followed any more. Stop the relay and put back a copy of the database, or ask " +
				"for the hosts again by requestCrawl",
			{ firstSeq, lost },
		);
	}

	async #countLost(): Promise<number> {
		let known = 0;
		let page = await this.#writer.hosts(0, HOSTS_PAGE);
		for (; page.length > 0; page = await this.#writer.hosts(page.at(-1)?.id ?? 0, HOSTS_PAGE)) known += page.length;
		return (await this.#writer.hostIdMax()) - known;
	}
}

const NO_FRAME = new Uint8Array(0);

/** What the index reads of a record, with facts of its own, since the batch is valid only until the next read. */
function withoutFrame(record: StoredRecord): StoredRecord {
	return { ...record, facts: Buffer.from(record.facts), frame: NO_FRAME };
}
