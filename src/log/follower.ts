import { RETRY_MS } from "../disk/stall.ts";
import { logOf } from "../observe/log.ts";
import type { Mark } from "./marks.ts";
import type { LogEnd, PositionSnapshot } from "./position.ts";
import { type Batch, Gap } from "./record/batch.ts";
import type { StoredRecord } from "./record/stored-record.ts";

/** A sink is given no more than this at a time, and the record or batch that exceeds it. */
const RECORDS_MAX = 5000;
const BATCH_BYTES_MAX = 32 * 1024 * 1024;
/** The log's position wakes the follower; this is only how soon a stop is noticed without a new record. */
const WAIT_MS = 250;
/**
 * Records are gathered for so long, since a transaction costs about the same for one as for hundreds, and its syncs get in
 * the way of the log's. Nobody waits for a sink: shards know what the index has not applied yet.
 */
const GATHER_MS = 25;

/**
 * What the log's records are kept in, such as the index. It is given what is durable in the log, in order. Its methods may
 * fail by a fault of the disk: then they are called again, with the same, until they succeed or the follower is to stop.
 */
export interface Sink {
	/** Names it in the log lines. */
	readonly name: string;
	/** Lsn of the last record that it has kept; 0 before the first. Asked at the start. */
	cursor(): Promise<number>;
	/** Keeps consecutive records, without their frames, and their end as its cursor: all of it or nothing. */
	apply(records: readonly StoredRecord[]): Promise<void>;
	/** Told that the records with the lsns from `from` to `to` can't be had, before it is given the next. */
	gap(from: number, to: number): Promise<void>;
	/** Told that it has all that the log held at the start, and where it was then. */
	caughtUp(start: SinkStart): Promise<void>;
}

export interface SinkStart {
	/** Lsn of the last record that the sink had; 0 for none, if there were any. */
	cursor: number;
	/** Of the log. */
	firstLsn: number;
	lastLsn: number;
}

/** The log's position, as a follower needs it. */
export interface FollowedPosition {
	snapshot(): Pick<PositionSnapshot, "firstLsn" | "lastLsn" | "lsnUsedMax" | "durableLsn">;
	wait(lsn: number, timeoutMs: number, end: LogEnd): Promise<void>;
}

/** The log's records, as a follower needs them. */
export interface FollowedLog {
	/** Throws what the disk says. */
	read(cursor: number): Batch | Gap | null;
}

export interface FollowerOptions {
	sink: Sink;
	log: FollowedLog;
	position: FollowedPosition;
	/** Says up to where the sink needs the log no more. */
	mark: Pick<Mark, "move">;
	/** Told what keeps the sink from going on; throws it if it is not to be waited for. */
	stall: { note(error: unknown): void; end(): void };
	/** Waits before the next attempt, or for more records. */
	sleep(ms: number): Promise<void>;
}

/** A sink is ahead of the log. */
export class CheckpointError extends Error {
	override readonly name = "CheckpointError";
}

/**
 * Keeps a sink at the end of the log. It takes only what is durable there. Else a power cut could leave the sink ahead of it:
 * the index, with a host's cursor past messages that the log has lost, or with a rev that makes them stale when the host
 * sends them again (invariant 4).
 */
export class Follower {
	readonly #options: FollowerOptions;
	/** Lsn of the last record that the sink has kept or that is lost. */
	#cursor = 0;
	#isStopping = false;

	constructor(options: FollowerOptions) {
		this.#options = options;
	}

	/**
	 * Applies what the log has after the sink's cursor, such as after a crash.
	 * @throws CheckpointError if the log ends before that cursor, so that its numbers would be used a second time
	 */
	async catchUp(): Promise<void> {
		const { sink, position } = this.#options;
		let cursor = (await this.#untilDone(() => sink.cursor())) ?? 0;
		const { firstLsn, lastLsn, lsnUsedMax } = position.snapshot();
		if (cursor > lsnUsedMax)
			throw new CheckpointError(
				`the ${sink.name} has applied the log up to record ${cursor}, but the log ends at record ${lsnUsedMax}: the log's folder ` +
					"was emptied, or an older copy was put back. Put the right log back; or go on without what it held by " +
					`setting RELAY_INITIAL_SEQ_NUMBER above ${cursor}`,
			);
		// A log that has no records yet lacks none, wherever its numbers are to begin.
		if (cursor === 0 && lastLsn < firstLsn) cursor = lastLsn;
		this.#advance(cursor);
		while (this.#cursor < lastLsn && (await this.#step()) !== "nothing");
		await this.#untilDone(() => sink.caughtUp({ cursor, firstLsn, lastLsn }));
		logOf(sink.name).info(`the ${sink.name} is at record {lsn} of the log`, { lsn: this.#cursor });
	}

	/** Follows the log until `stop` is called, and then to its end. */
	async run(): Promise<void> {
		const { position, sleep } = this.#options;
		for (;;) {
			const isStopping = this.#isStopping;
			const step = await this.#step();
			if (step === "nothing" && isStopping) return;
			if (step === "nothing") await position.wait(this.#cursor, WAIT_MS, "durableLsn");
			// A turn of the event loop: else a busy log would let no message of the control thread through.
			if (step === "full" || isStopping) await new Promise((resolve) => setImmediate(resolve));
			else await sleep(GATHER_MS);
		}
	}

	/**
	 * Makes `run` return when the sink has everything that the log has published by now; or soon, if the sink fails: what is
	 * left is applied at the next start.
	 */
	stop(): void {
		this.#isStopping = true;
	}

	/**
	 * Gives the sink a part of the log: `some`, to the log's durable end, or as much as it takes at a time (`full`). `nothing`
	 * if there is nothing after the cursor yet, or the sink doesn't take it before a stop.
	 */
	async #step(): Promise<"nothing" | "some" | "full"> {
		const start = this.#cursor;
		const { records, gap, isFull } = await this.#gather(this.#options.position.snapshot().durableLsn);
		if (!(await this.#apply(records))) return "nothing";
		if (gap !== null) await this.#pass(gap);
		if (isFull) return "full";
		return this.#cursor > start ? "some" : "nothing";
	}

	/** Reads on from the cursor, up to `endLsn`, a gap or as much as the sink takes at a time. */
	async #gather(endLsn: number): Promise<{ records: StoredRecord[]; gap: Gap | null; isFull: boolean }> {
		const records: StoredRecord[] = [];
		let cursor = this.#cursor;
		let bytes = 0;
		while (cursor < endLsn && records.length < RECORDS_MAX && bytes < BATCH_BYTES_MAX) {
			// Null also if a stop comes before it can be read.
			const read = await this.#untilDone(async () => this.#options.log.read(cursor));
			if (read instanceof Gap) return { records, gap: read, isFull: false };
			if (read === null) break;
			const first = read.indexAfter(cursor);
			const end = read.indexAfter(endLsn);
			// Lsns were left out up to a record that is not durable yet.
			if (first === end) break;
			for (let at = first; at < end; at++) records.push(withoutFrame(read.record(at)));
			cursor = read.lsn(end - 1);
			bytes += read.bytes.length;
		}
		return { records, gap: null, isFull: records.length >= RECORDS_MAX || bytes >= BATCH_BYTES_MAX };
	}

	/** Gives the sink these records. False if a stop comes before it has taken them: the cursor stays before them. */
	async #apply(records: readonly StoredRecord[]): Promise<boolean> {
		const last = records.at(-1);
		if (last === undefined) return true;
		const isApplied = await this.#untilDone(async () => {
			await this.#options.sink.apply(records);
			return true;
		});
		if (isApplied === null) return false;
		this.#advance(last.lsn);
		return true;
	}

	/** What a gap held is lost to the sink too. */
	async #pass({ lastLsn }: Gap): Promise<void> {
		const isTold = await this.#untilDone(async () => {
			await this.#options.sink.gap(this.#cursor + 1, lastLsn);
			return true;
		});
		if (isTold !== null) this.#advance(lastLsn);
	}

	/** The sink needs nothing up to here any more. */
	#advance(lsn: number): void {
		this.#cursor = lsn;
		this.#options.mark.move(lsn);
	}

	/**
	 * Does what needs the disk, as often as it takes: the log keeps what is not applied, and its readers need nothing of us.
	 * Null if a stop comes first.
	 */
	async #untilDone<Result>(work: () => Promise<Result>): Promise<Result | null> {
		const { stall, sleep } = this.#options;
		for (;;) {
			const isLastTry = this.#isStopping;
			try {
				const result = await work();
				stall.end();
				return result;
			} catch (error) {
				stall.note(error);
			}
			if (isLastTry) return null;
			await sleep(RETRY_MS);
		}
	}
}

const NO_FRAME = new Uint8Array(0);

/** What a sink reads of a record, with facts of its own, since the batch is valid only until the next read. */
function withoutFrame(record: StoredRecord): StoredRecord {
	return { ...record, facts: Buffer.from(record.facts), frame: NO_FRAME };
}
