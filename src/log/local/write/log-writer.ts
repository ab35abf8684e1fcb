// log/local/write/: appending and syncing batches. Whose records they are is not known here.

import { SEGMENT_BYTES_MAX } from "../../../config/bounds.ts";
import { DiskFault, type DiskFaultReason, diskFaultReason } from "../../../disk/fault.ts";
import { Stall } from "../../../disk/stall.ts";
import type { Counters } from "../../../observe/counters.ts";
import { logOf } from "../../../observe/log.ts";
import { counter } from "../../../observe/metric.ts";
import type { Log, UnsealedBatch } from "../../log.ts";
import type { Marks } from "../../marks.ts";
import type { LogPosition } from "../../position.ts";
import type { ActiveSegment } from "../active-segment.ts";
import { DirectoryLock } from "../lock.ts";
import type { LogFs } from "../log-fs.ts";
import { ensureLogId } from "../log-id.ts";
import { type RecoveredLog, recoverLog } from "../recovery/recovery.ts";
import { KeptSegments } from "../retention/kept-segments.ts";
import { placeSegments, type Segment, segmentAgeMsMax } from "../retention/retention.ts";
import { SegmentWriter } from "../segment/segment-writer.ts";
import { reappendUnsynced } from "./reappend.ts";
import { readSeqBound, SEQ_BOUND_STEP, SeqBound } from "./seq-bound.ts";

const logBytes = counter("log_bytes_total", "bytes appended to the log");
const logSyncs = counter("log_syncs_total", "syncs of the log to disk");

/** `always`: a batch is durable before it is published. `write`: it is written, and durable a moment later. */
export type SyncMode = "always" | "write";

export interface LogWriterOptions {
	directory: string;
	fs: LogFs;
	position: LogPosition;
	active: ActiveSegment;
	/** Of the readers that retention waits for. */
	marks: Marks;
	counters: Counters;
	/** Milliseconds since 1970, for the records' times. It may step. */
	clock: () => number;
	/** Milliseconds of a clock that never steps, for every duration. */
	elapsedMs: () => number;
	syncMode: SyncMode;
	/** Size at which a segment ends, up to `SEGMENT_BYTES_MAX`. */
	segmentBytes: number;
	/** Older records are removed. */
	replayWindowMs: number;
	/** Bytes of segments that are kept at most; none or null for no limit. */
	replayBytesMax?: number | null;
	/** Bytes of the disk that are to stay free: the oldest segments go for it, then the log stalls; none or 0 for no reserve. */
	diskReserveBytes?: number;
	/** Seq of the first record of an empty log, from 1. */
	initialSeq: number;
	/** Told why the log can't be written, each time that changes; null when it can be again. */
	onStall?: (reason: DiskFaultReason | null) => void;
	/** Told when what went on in the background is done: a batch may have become durable, or be possible again. */
	onProgress?: () => void;
}

/** The last record that readers may see, and the greatest seq given out by then. */
interface PublishedEnd {
	lastSeq: number;
	seqUsedMax: number;
	lastTimeUs: number;
}

const NO_RECORDS = Buffer.alloc(0);

const MAINTENANCE_MS = 60_000;
/** How long written records may wait for their sync in mode `write`. */
const SYNC_INTERVAL_MS = 200;

const log = logOf("log");

/**
 * The log's one writer: the active segment, its rotation, retention, and what is published of them.
 *
 * A disk that fails stalls the writer: what was to be written stays with the caller and is tried again. A failed write can
 * be repeated in place. A failed sync can't, since the system may have given up the pages and call the next sync a success:
 * the segment is left as it is durable, and a new one begins with what came behind (`#replaceActive`). Any other failure
 * is final.
 */
export class LogWriter implements Log {
	readonly #options: LogWriterOptions;
	readonly #lock: DirectoryLock;
	readonly #seqBound: SeqBound;
	readonly #kept: KeptSegments;
	readonly #stall: Stall;
	#active: SegmentWriter;
	#published: PublishedEnd;
	#nextSeq: number;
	#lastTimeUs: number;
	/** The active segment is to end although it is not full. */
	#isEndDue = false;
	#isSyncing = false;
	#failure: unknown = null;
	/** At once, since the disk may have filled up while nobody looked. */
	#maintainedAtMs = Number.NEGATIVE_INFINITY;
	#syncedAtMs: number;

	/**
	 * Opens the log, recovers what a crash left of it, and publishes its end.
	 *
	 * @throws Error where another process writes to it, or where it is damaged beyond what can be told apart
	 */
	constructor(options: LogWriterOptions) {
		if (options.segmentBytes > SEGMENT_BYTES_MAX) {
			throw new RangeError(`a segment must not be larger than ${SEGMENT_BYTES_MAX} bytes`);
		}
		const { directory, fs, counters, elapsedMs, onStall = () => {} } = options;
		this.#options = options;
		this.#syncedAtMs = elapsedMs();
		this.#stall = new Stall({
			part: "log",
			counters,
			reasonOf: diskFaultReason,
			clock: elapsedMs,
			onChange: onStall,
		});
		fs.makeDirectory(directory);
		this.#lock = new DirectoryLock(directory);
		try {
			const recovered = recoverLog(fs, directory, counters);
			const seqBound = readSeqBound(fs, directory);
			const seqUsedMax = usedSeqMax(options, recovered, seqBound);
			this.#seqBound = new SeqBound(fs, directory, seqBound ?? 0);
			// Before the first segment: a start that ends early leaves nothing that the next one takes for damage.
			if (seqBound === null) this.#seqBound.settle(seqUsedMax);
			// Before the first record: nothing of this log is ever without it.
			ensureLogId(fs, directory);
			this.#nextSeq = seqUsedMax + 1;
			this.#lastTimeUs = recovered.lastTimeUs;
			this.#published = {
				lastSeq: recovered.lastSeq ?? seqUsedMax,
				seqUsedMax,
				lastTimeUs: recovered.lastTimeUs,
			};
			const { replayBytesMax = null, diskReserveBytes = 0 } = options;
			this.#kept = new KeptSegments({ ...options, replayBytesMax, diskReserveBytes }, placed(recovered, options));
			if (recovered.active !== null) {
				this.#active = new SegmentWriter(fs, recovered.active);
			} else {
				this.#active = this.#createSegment(this.#nextSeq, recovered.missingFirstSeq ?? undefined);
				this.#kept.begin(this.#nextSeq);
			}
		} catch (error) {
			this.#lock.release();
			throw error;
		}
		this.#publish();
	}

	/** Seq that the next record gets: after those of a batch that is still to be taken. */
	get nextSeq(): number {
		return this.#nextSeq;
	}

	/** Time for the next record, microseconds since 1970: never before the last one's, whatever the clock does. */
	timeUs(): number {
		return Math.max(this.#options.clock() * 1000, this.#lastTimeUs);
	}

	/** Seq up to which every published record is on the disk. */
	get durableSeq(): number {
		// A segment that was just begun is durable up to before its first seq, which may lie far after the last record.
		return Math.min(this.#active.durable.lastSeq, this.#published.lastSeq);
	}

	/**
	 * To be called before each batch: ends a full segment and begins the next. False where no batch may be made now, since
	 * the disk fails, or a sync in the background has to end before the segment can.
	 */
	prepare(): boolean {
		if (this.#isSyncing && this.#mustRotate()) return false;
		return this.#attempt(() => {
			if (this.#active.isLost) {
				this.#replaceActive(NO_RECORDS);
				this.#publish();
			}
			if (this.#kept.isBelowReserve) throw new DiskFault("disk-reserve", "there is less free disk than the reserve");
			if (this.#mustRotate()) this.#rotate();
		});
	}

	/**
	 * Appends a batch, makes it as durable as the sync mode asks for, and only then publishes it. False where the disk
	 * fails: then nothing of it is published, and the same batch has to come again until it is taken.
	 */
	append({ bytes, firstSeq, lastSeq, timeUs }: UnsealedBatch): boolean {
		if (firstSeq !== this.#published.seqUsedMax + 1)
			throw new RangeError(`a batch from seq ${firstSeq} on leaves a hole`);
		const { syncMode, counters } = this.#options;
		this.#nextSeq = lastSeq + 1;
		this.#lastTimeUs = timeUs;
		return this.#attempt(() => {
			this.#seqBound.cover(lastSeq);
			if (this.#active.isLost) this.#replaceActive(bytes);
			else this.#active.append(bytes, syncMode === "always");
			if (syncMode === "always") counters.add(logSyncs);
			counters.add(logBytes, bytes.length);
			this.#published = { lastSeq, seqUsedMax: lastSeq, lastTimeUs: timeUs };
			this.#publish();
		});
	}

	/** Has old segments end and go, about once a minute; and in sync mode `write` has written records synced, one sync at a time. */
	keepUp(): void {
		const { elapsedMs, onProgress = () => {} } = this.#options;
		const nowMs = elapsedMs();
		if (nowMs - this.#maintainedAtMs >= MAINTENANCE_MS) {
			this.#maintainedAtMs = nowMs;
			this.maintain();
		}
		if (!this.isUnsynced || nowMs - this.#syncedAtMs < SYNC_INTERVAL_MS) return;
		this.#syncedAtMs = nowMs;
		void this.syncInBackground().then(onProgress);
	}

	/** Has an old segment end with the next batch, and removes what need not be kept. */
	maintain(): void {
		this.#orFail(() => {
			if (this.#kept.newestAgeMs >= segmentAgeMsMax(this.#options.replayWindowMs)) this.#isEndDue = true;
			this.#makeRoom();
		});
	}

	/**
	 * Makes what was written durable, off this thread, and publishes that it is; for sync mode `write`. One at a time: resolves
	 * when it is done, and never rejects. If it fails, the writer's next call deals with it.
	 */
	async syncInBackground(): Promise<void> {
		this.#isSyncing = true;
		try {
			await this.#active.syncInBackground();
			this.#options.counters.add(logSyncs);
			this.#publish();
		} catch (error) {
			if (diskFaultReason(error) === null) this.#failure = error;
			else this.#stall.note(error);
		} finally {
			this.#isSyncing = false;
		}
	}

	/** Whether a sync in the background is under way: a segment can't end before it does. */
	get isBusy(): boolean {
		return this.#isSyncing;
	}

	/** Whether anything is written and not yet being synced. */
	get isUnsynced(): boolean {
		return this.#active.isUnsynced && !this.#isSyncing && !this.#active.isLost;
	}

	/** Lets what failed be tried again at once. */
	retryNow(): void {
		this.#stall.retryNow();
	}

	/**
	 * Makes everything durable, says so, and gives up the directory. Where the disk does not allow it, or a batch was not
	 * taken, only the last: the next start finds the log as after a crash. No sync may be under way.
	 */
	close(): void {
		try {
			if (this.#failure !== null) return;
			const isWhole = this.#published.seqUsedMax === this.#nextSeq - 1 && !this.#active.isLost;
			const isClean = isWhole && this.#settle();
			if (!isClean) log.warning("the disk did not let the log end cleanly: the next start recovers it");
			this.#active.close();
		} finally {
			this.#lock.release();
		}
	}

	#settle(): boolean {
		this.#stall.retryNow();
		return this.#attempt(() => {
			this.#active.sync();
			this.#publish();
			this.#seqBound.settle(this.#nextSeq - 1);
		});
	}

	#mustRotate(): boolean {
		const { isEmpty, state } = this.#active;
		return !isEmpty && (this.#isEndDue || state.end >= this.#options.segmentBytes);
	}

	/**
	 * Ends the active segment and begins the next. That is durable before the footer is written, so that a footer in the last
	 * segment says that one is missing. After a fault it can be called again.
	 */
	#rotate(): void {
		if (this.#active.isUnsynced) this.#active.sync();
		const segment = this.#createSegment(this.#nextSeq);
		this.#active.seal();
		this.#become(segment);
		this.#publish();
		this.#makeRoom();
	}

	/**
	 * Gives up the active segment behind its durable end, since a sync of it failed. A new one begins with the published
	 * records from there on and with `pending`, under the same seqs, and takes over when it is durable as a whole. What is
	 * left of them in the old one is never read: no reader looks in a segment for seqs from the next one's `firstSeq` on.
	 * To be published by the caller, together with what came in `pending`.
	 *
	 * @param pending a batch that was not appended, or nothing
	 */
	#replaceActive(pending: Buffer): void {
		const lost = this.#active;
		lost.cut();
		const segment = this.#createSegment(lost.durable.lastSeq + 1, undefined, (made) => {
			reappendUnsynced(this.#options.fs, lost, made);
			if (pending.length > 0) made.append(pending, false);
		});
		log.warning("segment {lost} is left at byte {end}: segment {firstSeq} takes its place", {
			lost: lost.state.firstSeq,
			end: lost.durable.end,
			firstSeq: segment.state.firstSeq,
		});
		this.#become(segment);
	}

	/**
	 * @param previousFirstSeq another than the segment that is there, where one is missing between them
	 * @param fill appends the records that it begins with
	 */
	#createSegment(
		firstSeq: number,
		previousFirstSeq = this.#kept.before(firstSeq),
		fill?: (segment: SegmentWriter) => void,
	): SegmentWriter {
		const { fs, directory } = this.#options;
		return SegmentWriter.create(fs, directory, { firstSeq, previousFirstSeq, createdUs: this.timeUs() }, fill);
	}

	/** Goes on with this segment. */
	#become(segment: SegmentWriter): void {
		const before = this.#active;
		this.#active = segment;
		this.#isEndDue = false;
		this.#kept.noteBytes(before.state.end);
		this.#kept.begin(segment.state.firstSeq);
		before.close();
	}

	#makeRoom(): void {
		this.#kept.makeRoom(() => this.#publish());
	}

	#publish(): void {
		const { position, active } = this.#options;
		const { firstSeq: activeFirstSeq, epoch: activeEpoch, end: endOffset, index } = this.#active.state;
		const firstSeq = this.#kept.firstSeq ?? activeFirstSeq;
		const { lastSeq } = this.#published;
		// Before the position, which wakes readers: they are to find what it tells of.
		active.publish({ firstSeq, lastSeq, activeFirstSeq, activeEpoch, endOffset }, index);
		position.publish({ ...this.#published, firstSeq, durableSeq: this.durableSeq });
	}

	/** Tries what the disk may refuse. Returns whether it was done. */
	#attempt(work: () => void): boolean {
		let isDone = false;
		this.#orFail(() => {
			isDone = this.#stall.attempt(() => {
				if (this.#stall.reason !== null) this.#makeRoom();
				work();
			});
		});
		return isDone;
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

/** The segments that a start has found, by their age. */
function placed({ sealed, active, lastTimeUs }: RecoveredLog, options: LogWriterOptions): Segment[] {
	const { clock, elapsedMs, replayWindowMs } = options;
	const found = active === null ? sealed : [...sealed, { ...active, bytes: 0 }];
	return placeSegments(found, { lastTimeUs, wallMs: clock(), nowMs: elapsedMs() }, replayWindowMs);
}

/** The greatest seq that may have been given out already. */
function usedSeqMax(options: LogWriterOptions, recovered: RecoveredLog, seqBound: number | null): number {
	// A segment that is still empty may begin above all of them.
	const knownSeqMax = Math.max(recovered.lastSeq ?? 0, (recovered.active?.firstSeq ?? 0) - 1);
	if (seqBound !== null) return Math.max(seqBound, knownSeqMax, options.initialSeq - 1);
	if (recovered.lastSeq !== null) {
		log.error("the file `reserve` is absent or damaged: {step} seqs are left out", { step: SEQ_BOUND_STEP });
		return knownSeqMax + SEQ_BOUND_STEP;
	}
	if (recovered.sealed.length > 0) {
		throw new Error(
			`the log in ${options.directory} is damaged: neither its last segment nor the file \`reserve\` says which seqs were ` +
				"used. Move the directory away and start with an initial seq well above the last one that consumers saw.",
		);
	}
	return options.initialSeq - 1;
}
