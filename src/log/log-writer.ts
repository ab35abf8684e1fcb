import { join } from "node:path";
import type { Counters } from "../observe/counters.ts";
import { logOf } from "../observe/log.ts";
import type { LogHead } from "./head.ts";
import { DirectoryLock } from "./lock.ts";
import type { LogFs } from "./log-fs.ts";
import { type RecoveredLog, recoverLog } from "./recovery.ts";
import { RESERVE_STEP, Reserve, readReserve } from "./reserve.ts";
import { expiredSegments, type Segment, segmentAgeMsMax } from "./retention.ts";
import { SEGMENT_BYTES_MAX, segmentName } from "./segment.ts";
import { SegmentWriter } from "./segment-writer.ts";

/** `always`: a batch is durable before it is published. `write`: it is written, and durable a moment later. */
export type SyncMode = "always" | "write";

export interface LogWriterOptions {
	directory: string;
	fs: LogFs;
	head: LogHead;
	counters: Counters;
	/** Milliseconds since 1970. */
	clock: () => number;
	syncMode: SyncMode;
	/** Size at which a segment ends, up to `SEGMENT_BYTES_MAX`. */
	segmentBytes: number;
	/** Older records are removed. */
	replayWindowMs: number;
	/** Seq of the first record of an empty log, from 1. */
	initialSeq: number;
}

const log = logOf("log");

/**
 * The log's one writer: the active segment, its rotation, retention, and what is published of them.
 *
 * A failure to write or sync is final. What is in the file after it is not known (a second sync may well succeed without
 * having written anything), so the writer refuses to go on and the process is to stop; recovery then sorts it out.
 */
export class LogWriter {
	readonly #options: LogWriterOptions;
	readonly #lock: DirectoryLock;
	readonly #reserve: Reserve;
	/** All segments, oldest first, the active one last. */
	readonly #segments: Segment[];
	#active: SegmentWriter;
	#lastSeq: number;
	#nextSeq: number;
	#lastTimeUs: number;
	#isUnsynced = false;
	#failure: unknown = null;

	/**
	 * Opens the log, recovers what a crash left of it, and publishes its end.
	 *
	 * @throws Error where another process writes to it, or where it is damaged beyond what can be told apart
	 */
	constructor(options: LogWriterOptions) {
		if (options.segmentBytes > SEGMENT_BYTES_MAX) {
			throw new RangeError(`a segment must not be larger than ${SEGMENT_BYTES_MAX} bytes`);
		}
		const { directory, fs, counters } = options;
		this.#options = options;
		fs.makeDirectory(directory);
		this.#lock = new DirectoryLock(directory);
		try {
			const recovered = recoverLog(fs, directory, counters);
			const reserved = readReserve(fs, directory);
			const seqUsedMax = usedSeqMax(options, recovered, reserved);
			this.#reserve = new Reserve(fs, directory, reserved ?? 0);
			this.#nextSeq = seqUsedMax + 1;
			this.#lastSeq = recovered.lastSeq ?? seqUsedMax;
			this.#lastTimeUs = recovered.lastTimeUs;
			this.#segments = recovered.sealed;
			if (recovered.active === null) {
				this.#active = this.#createSegment();
			} else {
				this.#active = new SegmentWriter(fs, recovered.active);
				const { firstSeq, createdUs } = recovered.active;
				this.#segments.push({ firstSeq, createdUs });
			}
		} catch (error) {
			this.#lock.release();
			throw error;
		}
		this.#publish();
	}

	/** Seq that the next record gets. */
	get nextSeq(): number {
		return this.#nextSeq;
	}

	/** Time for the next record, microseconds since 1970: never before the last one's, whatever the clock does. */
	timeUs(): number {
		return Math.max(this.#options.clock() * 1000, this.#lastTimeUs);
	}

	/** Epoch that records have to carry; it holds until the next `prepare`. */
	get epoch(): number {
		return this.#active.state.epoch;
	}

	/** To be called before each batch: ends a full segment and begins the next. */
	prepare(): void {
		this.#orFail(() => {
			if (!this.#active.isEmpty && this.#active.state.end >= this.#options.segmentBytes) this.#rotate();
		});
	}

	/** Notes a record of the batch being made, at `offset` in it, with seq `nextSeq`, which moves on. */
	noteRecord(timeUs: number, offset: number): void {
		this.#active.noteRecord(this.#nextSeq, timeUs, offset);
		this.#lastTimeUs = timeUs;
		this.#nextSeq += 1;
	}

	/**
	 * Appends a batch, makes it as durable as the sync mode asks for, and only then publishes it.
	 *
	 * @param bytes the records noted since the last commit
	 */
	commit(bytes: Buffer): void {
		const { syncMode, counters } = this.#options;
		this.#orFail(() => {
			const lastSeq = this.#nextSeq - 1;
			this.#reserve.cover(lastSeq);
			this.#active.append(bytes);
			if (syncMode === "always") {
				this.#active.sync();
				counters.add("log_syncs_total");
			} else {
				this.#isUnsynced = true;
			}
			counters.add("log_bytes_total", bytes.length);
			this.#lastSeq = lastSeq;
			this.#publish();
		});
	}

	/** To be called about once a minute: ends a segment that is old, and removes those that are past the replay window. */
	maintain(): void {
		this.#orFail(() => {
			const { clock, replayWindowMs } = this.#options;
			const ageMs = clock() - this.#active.state.createdUs / 1000;
			if (!this.#active.isEmpty && ageMs >= segmentAgeMsMax(replayWindowMs)) this.#rotate();
			this.#removeExpired();
		});
	}

	/**
	 * Makes what was written durable, off this thread; for sync mode `write`. One at a time: resolves when it is done, and
	 * never rejects. Where it fails, so does the writer's next call.
	 */
	async syncInBackground(): Promise<void> {
		const segment = this.#active;
		this.#isUnsynced = false;
		try {
			await segment.syncInBackground();
			this.#options.counters.add("log_syncs_total");
		} catch (error) {
			// A segment that was sealed meanwhile was synced for that, and its file is closed.
			if (segment === this.#active) this.#failure = error;
		}
	}

	/** Whether anything is written and not yet being synced. */
	get isUnsynced(): boolean {
		return this.#isUnsynced;
	}

	/** Makes everything durable, says so, and gives up the directory. A writer that has failed only does the last. */
	close(): void {
		try {
			if (this.#failure !== null) return;
			this.#orFail(() => {
				this.#active.close();
				this.#reserve.settle(this.#nextSeq - 1);
			});
		} finally {
			this.#lock.release();
		}
	}

	#rotate(): void {
		this.#active.seal();
		this.#active = this.#createSegment();
		this.#publish();
	}

	#createSegment(): SegmentWriter {
		const { fs, directory } = this.#options;
		const firstSeq = this.#nextSeq;
		const createdUs = this.timeUs();
		const previousFirstSeq = this.#segments.at(-1)?.firstSeq ?? 0;
		const segment = SegmentWriter.create(fs, directory, { firstSeq, previousFirstSeq, createdUs });
		this.#segments.push({ firstSeq, createdUs });
		return segment;
	}

	#removeExpired(): void {
		const { clock, replayWindowMs, head, fs, directory, counters } = this.#options;
		const count = expiredSegments(this.#segments, clock(), replayWindowMs, head.applied());
		if (count === 0) return;
		const removed = this.#segments.splice(0, count);
		// Readers are told first, so that a file that is gone never surprises them.
		this.#publish();
		for (const { firstSeq } of removed) fs.remove(join(directory, segmentName(firstSeq)));
		counters.add("segments_removed_total", count);
	}

	#publish(): void {
		const { firstSeq, end, index } = this.#active.state;
		this.#options.head.publish(
			{
				firstSeq: this.#segments[0]?.firstSeq ?? firstSeq,
				lastSeq: this.#lastSeq,
				seqUsedMax: this.#nextSeq - 1,
				activeFirstSeq: firstSeq,
				endOffset: end,
				lastTimeUs: this.#lastTimeUs,
			},
			index,
		);
	}

	#orFail(work: () => void): void {
		if (this.#failure !== null) throw new Error("the log's writer has failed before", { cause: this.#failure });
		try {
			work();
		} catch (error) {
			this.#failure = error;
			throw error;
		}
	}
}

/** The greatest seq that may have been given out already. */
function usedSeqMax(options: LogWriterOptions, recovered: RecoveredLog, reserved: number | null): number {
	if (reserved !== null) return Math.max(reserved, recovered.lastSeq ?? 0, options.initialSeq - 1);
	if (recovered.lastSeq !== null) {
		log.error("the file `reserve` is absent or damaged: {step} seqs are left out", { step: RESERVE_STEP });
		return recovered.lastSeq + RESERVE_STEP;
	}
	if (recovered.sealed.length > 0) {
		throw new Error(
			`the log in ${options.directory} is damaged: neither its last segment nor the file \`reserve\` says which seqs were ` +
				"used. Move the directory away and start with an initial seq well above the last one that consumers saw.",
		);
	}
	return options.initialSeq - 1;
}
