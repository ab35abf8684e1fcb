import { RETRY_MS } from "../disk/stall.ts";
import { logOf } from "../observe/log.ts";
import type { Mark } from "./marks.ts";
import type { LogEnd, PositionSnapshot } from "./position.ts";
import { type Batch, Gap } from "./record/batch.ts";
import type { StoredRecord } from "./record/stored-record.ts";

/** A sink gets no more records once it has this many, or this many bytes, at a time. The last batch may exceed both. */
const RECORDS_MAX = 5000;
const BATCH_BYTES_MAX = 32 * 1024 * 1024;
/** After a failure a sink gets half as many records, since a slow database may never finish more. Each success adds so many. */
const RECORDS_MORE = 80;
/** While no record comes, the follower looks so often whether the sink has gone back, if it can. */
const LOOK_BACK_MS = 1_000;
/**
 * Time in which records gather before they are applied: a transaction costs about the same for one as for hundreds, and its
 * syncs delay the log's. Nobody waits for a sink: shards know what the index has not applied yet.
 */
const GATHER_MS = 25;

/**
 * A store that is made from the log's records, such as the index. It gets what is durable in the log, in order. If a method
 * fails for a reason that may pass, it is called again until it succeeds or the follower has to stop: `apply` with the first of the
 * same records, the others with the same arguments.
 */
export interface Sink {
	/** Its name in log lines. */
	readonly name: string;
	/** Whether a crash of its database can undo, while this process goes on, what it has stored. */
	readonly canGoBack: boolean;
	/** Lsn of the last record that it has stored; 0 before the first. Called at the start, and from time to time while no record comes if the sink can go back. */
	cursor(): Promise<number>;
	/**
	 * Stores consecutive records, which have no frames here, and the last one's lsn as the cursor: all of it or nothing. Returns the
	 * cursor, and the follower goes on there. It is a lesser one if a crash of the sink's database has undone what was stored before, and
	 * these records are not stored then. It is a greater one if an earlier call with more records had succeeded without an answer.
	 */
	apply(records: readonly StoredRecord[]): Promise<number>;
	/** Called if the records with the lsns from `from` to `to` are lost, before any record after them is applied. */
	gap(from: number, to: number): Promise<void>;
	/** Called when it has all that the log held at the start, with where the sink and the log were then. */
	caughtUp(start: SinkStart): Promise<void>;
}

export interface SinkStart {
	/** Lsn of the last record that the sink had; 0 if it had none although the log had some. */
	cursor: number;
	/** The log's. */
	firstLsn: number;
	lastLsn: number;
}

/** The log's position, as a follower needs it. */
export interface FollowedPosition {
	snapshot(): Pick<PositionSnapshot, "firstLsn" | "lastLsn" | "lsnUsedMax" | "durableLsn">;
	wait(lsn: number, timeoutMs: number, end: LogEnd): Promise<void>;
	wake(): void;
}

/** The log's records, as a follower needs them. */
export interface FollowedLog {
	/** @throws Error if the records can't be read */
	read(cursor: number): Batch | Gap | null;
}

export interface FollowerOptions {
	sink: Sink;
	log: FollowedLog;
	position: FollowedPosition;
	/** Tells retention up to which lsn the sink no longer needs the log. */
	mark: Pick<Mark, "move">;
	/** `note` gets the fault that keeps the sink from going on, and throws it if waiting can't cure it. */
	stall: { note(error: unknown): void; end(): void };
	/** Waits before the next attempt, or for more records. */
	sleep(ms: number): Promise<void>;
}

/** A sink is ahead of the log. */
export class CheckpointError extends Error {
	override readonly name = "CheckpointError";
}

/**
 * Gives a sink all records of the log, up to the durable end. If it went further, a power cut could leave the sink ahead of
 * the log: the index could have a host's cursor past messages that the log has lost, or a rev that makes them stale when the
 * host sends them again (invariant 4).
 */
export class Follower {
	readonly #options: FollowerOptions;
	/** Lsn of the last record that the sink has stored or that is lost. */
	#cursor = 0;
	/** Lsn of the last record that the sink has stored, as it last said. */
	#storedLsn = 0;
	/** How many records the sink gets at a time for now. */
	#recordsMax = RECORDS_MAX;
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
		// An empty log has lost no records, whatever lsn it begins with.
		if (cursor === 0 && lastLsn < firstLsn) cursor = lastLsn;
		this.#storedLsn = cursor;
		this.#advance(cursor);
		while (this.#cursor < lastLsn && ["some", "full"].includes(await this.#step()));
		await this.#untilDone(() => sink.caughtUp({ cursor, firstLsn, lastLsn }));
		logOf(sink.name).info(`the ${sink.name} is at record {lsn} of the log`, { lsn: this.#cursor });
	}

	/** Follows the log until `stop` is called, and then to its end. */
	async run(): Promise<void> {
		const { sleep } = this.#options;
		let hasWaited = false;
		for (;;) {
			const isStopping = this.#isStopping;
			const step = await this.#step();
			if (step === "stopped" || (step === "nothing" && isStopping)) return;
			if (step === "nothing" && hasWaited) await this.#lookBack();
			hasWaited = step === "nothing" && (await this.#wait());
			// If the log is busy, messages of the control thread would not get through without this turn of the event loop.
			if (step === "full" || isStopping) await new Promise((resolve) => setImmediate(resolve));
			else await sleep(GATHER_MS);
		}
	}

	/**
	 * Makes `run` return when the sink has everything that is durable in the log by now. If the sink fails, `run` returns after
	 * the try under way, or one more if there is none, and the next start applies the rest.
	 */
	stop(): void {
		this.#isStopping = true;
		this.#options.position.wake();
	}

	/** Waits for the next record, or until it is time to look back. Returns whether that time is now. */
	async #wait(): Promise<boolean> {
		const { position, sink } = this.#options;
		// A stop may have come during the step, and its wake before this wait.
		if (this.#isStopping) return false;
		await position.wait(this.#cursor, sink.canGoBack ? LOOK_BACK_MS : Number.POSITIVE_INFINITY, "durableLsn");
		return sink.canGoBack;
	}

	/**
	 * Gives the sink the next part of the log: `full` if it is as much as a sink gets at a time, else `some`. `nothing` if
	 * nothing durable comes after the cursor yet, `stopped` if a stop comes before the sink has taken it.
	 */
	async #step(): Promise<"nothing" | "some" | "full" | "stopped"> {
		const start = this.#cursor;
		const { records, gap, isFull } = await this.#gather(this.#options.position.snapshot().durableLsn);
		const applied = await this.#apply(records);
		if (applied === "stopped") return "stopped";
		if (applied === "not all") return "some";
		if (gap !== null) await this.#pass(gap);
		if (isFull) return "full";
		return this.#cursor > start ? "some" : "nothing";
	}

	/** Reads from the cursor up to `endLsn`, or a gap, or as much as a sink gets at a time. */
	async #gather(endLsn: number): Promise<{ records: StoredRecord[]; gap: Gap | null; isFull: boolean }> {
		const records: StoredRecord[] = [];
		let cursor = this.#cursor;
		let bytes = 0;
		while (cursor < endLsn && records.length < this.#recordsMax && bytes < BATCH_BYTES_MAX) {
			// It is also null if a stop comes before the log can be read.
			const read = await this.#untilDone(async () => this.#options.log.read(cursor));
			if (read instanceof Gap) return { records, gap: read, isFull: false };
			if (read === null) break;
			const first = read.indexAfter(cursor);
			const end = read.indexAfter(endLsn);
			// The lsns up to `endLsn` were left out, and the next record is not durable yet.
			if (first === end) break;
			for (let at = first; at < end; at++) records.push(withoutFrame(read.record(at)));
			cursor = read.lsn(end - 1);
			bytes += read.bytes.length;
		}
		return { records, gap: null, isFull: records.length >= this.#recordsMax || bytes >= BATCH_BYTES_MAX };
	}

	/** Gives the sink these records. If a stop comes before it has taken them, the cursor stays before them. */
	async #apply(records: readonly StoredRecord[]): Promise<"done" | "stopped" | "not all"> {
		const last = records.at(-1);
		if (last === undefined) return "done";
		const cursor = await this.#untilDone(() => this.#give(records.slice(0, this.#recordsMax)));
		if (cursor === null) return "stopped";
		this.#advance(cursor);
		this.#storedLsn = cursor;
		return cursor < last.lsn ? "not all" : "done";
	}

	async #give(records: readonly StoredRecord[]): Promise<number> {
		try {
			const cursor = await this.#options.sink.apply(records);
			this.#recordsMax = Math.min(this.#recordsMax + RECORDS_MORE, RECORDS_MAX);
			return cursor;
		} catch (error) {
			this.#recordsMax = Math.ceil(this.#recordsMax / 2);
			throw error;
		}
	}

	/** Goes back to the sink's cursor if a crash of its database has undone what was stored: its readers wait for that. */
	async #lookBack(): Promise<void> {
		const cursor = await this.#untilDone(() => this.#options.sink.cursor());
		if (cursor === null || cursor >= this.#storedLsn) return;
		this.#storedLsn = cursor;
		this.#cursor = cursor;
	}

	/** Tells the sink of a gap, and goes on after it. */
	async #pass({ lastLsn }: Gap): Promise<void> {
		const isTold = await this.#untilDone(async () => {
			await this.#options.sink.gap(this.#cursor + 1, lastLsn);
			return true;
		});
		if (isTold !== null) this.#advance(lastLsn);
	}

	/** Moves the cursor: the sink no longer needs the log up to this lsn. If it has gone back, the mark stays. */
	#advance(lsn: number): void {
		this.#cursor = lsn;
		this.#options.mark.move(lsn);
	}

	/**
	 * Tries `work`, which needs the disk, until it succeeds. Meanwhile the log keeps what is not applied, and its other readers
	 * go on. Null if a stop comes first.
	 */
	async #untilDone<Result>(work: () => Promise<Result>): Promise<Result | null> {
		const { stall, sleep } = this.#options;
		for (;;) {
			try {
				const result = await work();
				stall.end();
				return result;
			} catch (error) {
				stall.note(error);
			}
			// A try that has failed may have taken long, and so would the next one.
			if (this.#isStopping) return null;
			await sleep(RETRY_MS);
		}
	}
}

const NO_FRAME = new Uint8Array(0);

/** The record without its frame, and with a copy of its facts, since the batch is valid only until the next read. */
function withoutFrame(record: StoredRecord): StoredRecord {
	return { ...record, facts: Buffer.from(record.facts), frame: NO_FRAME };
}
