// log/local/write/: appending and syncing batches. Whose records they are is not known here.

import { SEGMENT_BYTES_MAX } from "../../../config/bounds.ts";
import { DiskFault, type DiskFaultReason, diskFaultReason } from "../../../disk/fault.ts";
import { Stall } from "../../../disk/stall.ts";
import type { Counters } from "../../../observe/counters.ts";
import { logOf } from "../../../observe/log.ts";
import { counter, histogram } from "../../../observe/metric.ts";
import type { Log, LogNumbers, UnsealedBatch } from "../../log.ts";
import type { Marks } from "../../marks.ts";
import type { LogPosition } from "../../position.ts";
import type { LogState } from "../../state.ts";
import type { ActiveSegment } from "../active-segment.ts";
import { refuseFormat1 } from "../format-1.ts";
import { type FoundLastUsed, LastUsed, readLastUsed } from "../last-used.ts";
import { DirectoryLock } from "../lock.ts";
import type { LogFs } from "../log-fs.ts";
import { ensureLogId } from "../log-id.ts";
import { type RecoveredLog, recoverLog } from "../recovery/recovery.ts";
import { KeptSegments } from "../retention/kept-segments.ts";
import { placeSegments, type Segment, segmentAgeMsMax } from "../retention/retention.ts";
import { createFile } from "../segment/new-file.ts";
import { PreparedFile } from "../segment/prepared-file.ts";
import { SEGMENT_HEADER_BYTES, type SegmentId } from "../segment/segment.ts";
import { SegmentWriter } from "../segment/segment-writer.ts";
import { type LogEndPlace, NumbersInUse, type SyncMode } from "./numbers-in-use.ts";
import { reappendUnsynced } from "./reappend.ts";
import { restate } from "./restate.ts";

const logBytes = counter(
	"log_bytes_total",
	"bytes appended to the log",
	"Its rate times `RELAY_REPLAY_WINDOW` is the space that the log needs.",
);
const logSyncs = counter(
	"log_syncs_total",
	"syncs of the log to disk",
	"If it stops while frames are received, look at `standpipe_log_stalled`.",
);
const logSyncSeconds = histogram(
	"log_sync_seconds",
	"how long it took to write a batch of the log and sync it; in sync mode write, to sync what was written",
	"If p99 is above 0.1 s, the disk is slow or shared: each batch of messages waits for a sync.",
	[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
);
const segmentsBegun = counter(
	"segments_begun_total",
	"segments begun, in a file that was prepared or in one that grows",
	"If `growing` grows, there is too little space to prepare segments: syncs take longer then.",
	{
		name: "file",
		values: ["prepared", "growing"],
	},
);

export type { SyncMode };

/** Lsns and seqs that are left out if nothing says which were used last. */
export const NUMBERS_LEFT_OUT = 100_000;

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
	/**
	 * Bytes of the disk that are to stay free; none or 0 for no reserve. The oldest segments are removed for it. If that is not
	 * enough, the log stalls.
	 */
	diskReserveBytes?: number;
	/** Lsn and seq that an empty log begins with, from 1. */
	initialSeq: number;
	/** Called with the reason why the log can't be written each time it changes; null when it can be written again. */
	onStall?: (reason: DiskFaultReason | null) => void;
	/** Called when a sync in the background has ended: a batch may be durable now, or the next one possible. */
	onProgress?: () => void;
}

/** The end of what readers may see. */
interface PublishedEnd {
	lastLsn: number;
	lastSeq: number;
	/** The greatest numbers given out by then. */
	lsnUsedMax: number;
	seqUsedMax: number;
	/** Earliest time of the next record. */
	endTimeUs: number;
	/** Offset in the active segment, which may have a batch after it that is not published yet. */
	endOffset: number;
}

const NO_RECORDS = Buffer.alloc(0);

/** A byte limit of fewer segments than this has no room for a prepared file. */
const PREPARED_SEGMENTS_MIN = 8;

const MAINTENANCE_MS = 60_000;
/** How often the metrics of the segments and the disk are brought up to date. */
const MEASURE_MS = 5_000;
/** How long written records may wait for their sync in mode `write`. */
const SYNC_INTERVAL_MS = 200;
/** How often the log looks whether the next segment's file is prepared, if nothing else happens. */
const PREPARING_POLL_MS = 200;

const log = logOf("log");

/**
 * The log's only writer. It appends to the active segment, begins new ones, removes old ones, and publishes all that.
 *
 * A fault of the disk stalls the writer: the caller keeps the batch, and tries it again. A failed write can be repeated in place.
 * A failed sync can't, since the system may have dropped the pages, and the next sync would succeed without them. So the
 * segment ends where it is durable, and a new one begins with the records after that (`#replaceActive`). Any other failure is
 * final.
 */
export class LogWriter implements Log {
	readonly #options: LogWriterOptions;
	readonly #lock: DirectoryLock;
	readonly #numbers: NumbersInUse;
	readonly #kept: KeptSegments;
	readonly #prepared: PreparedFile;
	readonly #state: LogState;
	readonly #stall: Stall;
	#active: SegmentWriter;
	#published: PublishedEnd;
	/** Numbers and earliest time of the next record: after a batch that is not taken yet. */
	#nextLsn: number;
	#nextSeq: number;
	#endTimeUs: number;
	/** The active segment has to end although it is not full. */
	#isEndDue = false;
	#isSyncing = false;
	#failure: unknown = null;
	/** Due at once, since the disk may have filled up before the start. */
	#maintainedAtMs = Number.NEGATIVE_INFINITY;
	#syncedAtMs: number;
	#measuredAtMs = Number.NEGATIVE_INFINITY;

	/**
	 * Opens the log, recovers what a crash left of it, and publishes its end.
	 *
	 * @throws Error if another process writes to it, if it has another format, or if damage hides which numbers were used
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
			refuseFormat1(fs, directory);
			const found = readLastUsed(fs, directory);
			const recovered = recoverLog(fs, directory, found?.numbers ?? null, counters);
			const used = usedMax(options, recovered, found);
			this.#numbers = new NumbersInUse(new LastUsed(fs, directory, found?.counter ?? 0), options.syncMode);
			// Before the first segment: a start that ends early leaves nothing that the next one takes for damage.
			this.#numbers.open({ ...used, epoch: recovered.active?.epoch ?? 0, end: recovered.active?.end ?? 0 });
			// Before the first record, so that no record of this log is ever without the id.
			ensureLogId(fs, directory);
			this.#nextLsn = used.lsn + 1;
			this.#nextSeq = used.seq + 1;
			this.#endTimeUs = recovered.endTimeUs;
			this.#state = recovered.state;
			this.#isEndDue = recovered.isStateTorn;
			const { replayBytesMax = null, diskReserveBytes = 0 } = options;
			this.#prepared = new PreparedFile({ ...options, diskReserveBytes, isWanted: isPreparing(options) });
			this.#kept = new KeptSegments(
				{ ...options, replayBytesMax, diskReserveBytes, prepared: this.#prepared },
				placed(recovered, options),
			);
			this.#active = this.#openActive(recovered);
			this.#published = {
				lastLsn: recovered.last?.lsn ?? used.lsn,
				lastSeq: recovered.last?.seq ?? used.seq,
				lsnUsedMax: used.lsn,
				seqUsedMax: used.seq,
				endTimeUs: recovered.endTimeUs,
				endOffset: recovered.active?.end ?? SEGMENT_HEADER_BYTES,
			};
		} catch (error) {
			this.#lock.release();
			throw error;
		}
		this.#publish();
	}

	/** Lsn that the next record gets: after a batch that is not taken yet. */
	get nextLsn(): number {
		return this.#nextLsn;
	}

	/** Seq that the next message gets. */
	get nextSeq(): number {
		return this.#nextSeq;
	}

	/** Time for the next record, in microseconds since 1970. It is after the last record's, whatever the clock does. */
	timeUs(): number {
		return Math.max(this.#options.clock() * 1000, this.#endTimeUs);
	}

	/** Lsn up to which every published record is on the disk. */
	get durableLsn(): number {
		// A segment that was just begun is durable up to before its first lsn, which may lie far after the last record.
		return Math.min(this.#active.durable.lastLsn, this.#published.lastLsn);
	}

	/**
	 * Ends a full segment and begins the next. Call it before each batch. False if no batch may be made now: the disk fails, or a
	 * sync in the background has to end before the segment can.
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
			if (this.#hasUnpublishedState) this.#publishAll();
		});
	}

	/**
	 * Appends a batch, makes it as durable as the sync mode asks for, and only then publishes it. False if the disk fails: then
	 * nothing of it is published, and the caller must pass the same batch again until it is taken.
	 */
	append(batch: UnsealedBatch): boolean {
		const { firstLsn, lastLsn, lastSeq, endTimeUs } = batch;
		if (firstLsn !== this.#published.lsnUsedMax + 1)
			throw new RangeError(`a batch begins at lsn ${firstLsn}, which is not the next one`);
		this.#nextLsn = lastLsn + 1;
		this.#nextSeq = lastSeq + 1;
		this.#endTimeUs = endTimeUs;
		this.#state.addAll(batch.bytes);
		return this.#attempt(() => {
			this.#take(batch);
			// Records of the log's state may have come after it.
			this.#nextLsn = this.#active.state.lastLsn + 1;
			this.#endTimeUs = this.#active.state.endTimeUs;
			this.#publishAll();
		});
	}

	/** Brings a batch into the active segment, unless an attempt before this one has done so, and failed later. */
	#take({ bytes, lastLsn }: UnsealedBatch): void {
		const { syncMode, counters, elapsedMs } = this.#options;
		const { isLost, state, durable } = this.#active;
		const beganAtMs = elapsedMs();
		// If the segment replaced another one, it may have the batch, with records of the log's state after it.
		if (durable.lastLsn >= lastLsn) return;
		if (isLost) this.#replaceActive(bytes);
		else if (state.lastLsn < lastLsn) this.#active.append(bytes, syncMode === "always");
		else return;
		if (syncMode === "always") this.#noteSync(beganAtMs);
		counters.add(logBytes, bytes.length);
	}

	/**
	 * Ends and removes old segments, about once a minute. Has the next segment's file prepared. In sync mode `write`, has written
	 * records synced, one sync at a time.
	 */
	keepUp(): number {
		const { elapsedMs, onProgress = () => {} } = this.#options;
		const nowMs = elapsedMs();
		if (nowMs - this.#maintainedAtMs >= MAINTENANCE_MS) {
			this.#maintainedAtMs = nowMs;
			this.maintain();
		}
		if (nowMs - this.#measuredAtMs >= MEASURE_MS) {
			this.#measuredAtMs = nowMs;
			this.#orFail(() => this.#kept.measure(this.#active.state.end));
		}
		this.#prepareNext();
		if (this.isUnsynced && nowMs - this.#syncedAtMs >= SYNC_INTERVAL_MS) {
			this.#syncedAtMs = nowMs;
			void this.syncInBackground().then(onProgress);
		}
		return this.#untilDueMs(nowMs);
	}

	/** Time until something is due by the clock. The end of a sync in the background is told by `onProgress`. */
	#untilDueMs(nowMs: number): number {
		const untilMaintenanceMs = this.#maintainedAtMs + MAINTENANCE_MS - nowMs;
		// A stop waits for the file, and nothing tells that a piece of it is written.
		if (this.#prepared.isBusy) return Math.min(PREPARING_POLL_MS, untilMaintenanceMs);
		if (this.#isSyncing) return untilMaintenanceMs;
		if (this.#stall.reason !== null) return Math.min(this.#stall.untilRetryMs, untilMaintenanceMs);
		if (this.#kept.isBelowReserve || this.#mustRotate() || this.#hasUnpublishedState) return 0;
		if (!this.isUnsynced) return untilMaintenanceMs;
		return Math.min(Math.max(0, this.#syncedAtMs + SYNC_INTERVAL_MS - nowMs), untilMaintenanceMs);
	}

	/** Makes an old active segment end before the next batch, and removes segments that need not be kept. */
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
			const { lsnUsedMax, seqUsedMax } = this.#published;
			const results = await Promise.allSettled([
				this.#syncActive(),
				this.#numbers.keepAhead(this.#here(lsnUsedMax, seqUsedMax)),
			]);
			if (results[0].status === "fulfilled") this.#publish();
			for (const result of results) if (result.status === "rejected") this.#noteFault(result.reason);
		} finally {
			this.#isSyncing = false;
		}
	}

	async #syncActive(): Promise<void> {
		const beganAtMs = this.#options.elapsedMs();
		await this.#active.syncInBackground();
		this.#noteSync(beganAtMs);
	}

	/** Counts a sync that has ended, and its time since this moment. */
	#noteSync(beganAtMs: number): void {
		const { counters, elapsedMs } = this.#options;
		counters.add(logSyncs);
		counters.observe(logSyncSeconds, (elapsedMs() - beganAtMs) / 1000);
	}

	#noteFault(error: unknown): void {
		if (diskFaultReason(error) === null) this.#failure = error;
		else this.#stall.note(error);
	}

	/** Whether a sync in the background is under way, or the next segment's file is being written. */
	get isBusy(): boolean {
		return this.#isSyncing || this.#prepared.isBusy;
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
	 * Makes everything durable, notes that in the file `last-used`, and gives up the directory. If the disk fails, or a batch was
	 * not taken, it only gives up the directory: the next start finds the log as after a crash. No sync may be under way.
	 */
	close(): void {
		try {
			if (this.#failure !== null) return;
			const isWhole = this.#published.lsnUsedMax === this.#nextLsn - 1 && !this.#active.isLost;
			const isClean = isWhole && this.#settle();
			if (!isClean)
				log.warning("the log could not be closed cleanly because the disk failed: the next start recovers it");
			this.#numbers.close();
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
			this.#numbers.settle(this.#here(this.#nextLsn - 1, this.#nextSeq - 1));
		});
	}

	/** Has the next segment's file prepared, when this one is half full. It has to wait if the disk fails. */
	#prepareNext(): void {
		if (this.#stall.reason !== null || this.#active.isLost) return;
		this.#orFail(() => {
			const filledShare = this.#active.state.end / this.#options.segmentBytes;
			if (this.#prepared.claim(filledShare)) this.#makeRoom();
			this.#prepared.prepare(filledShare);
		});
	}

	#mustRotate(): boolean {
		const { recordBytes, state } = this.#active;
		// It must have as much else as state, so that a log of short segments is not all state.
		const isFull = state.end >= this.#options.segmentBytes && recordBytes >= state.stateBytes;
		return recordBytes > 0 && (this.#isEndDue || isFull);
	}

	/**
	 * Ends the active segment and begins the next. The next is durable before the footer is written, so a footer in the last
	 * segment tells that one is missing. After a fault of the disk it can be called again.
	 */
	#rotate(): void {
		if (this.#active.isUnsynced) this.#active.sync();
		const segment = this.#createSegment(this.#nextId, {});
		this.#active.seal();
		this.#become(segment, SEGMENT_HEADER_BYTES);
		this.#publish();
		this.#makeRoom();
	}

	/**
	 * Gives up the active segment after its durable end, since a sync of it failed. A new one begins with the published
	 * records from there on and with `pending`, under the same numbers, and takes over when it is durable as a whole. What is
	 * left of them in the old one is never read: no reader looks in a segment for lsns from the next one's `firstLsn` on.
	 * The caller has to publish all that, with `pending`.
	 *
	 * @param pending a batch that was not appended, or nothing
	 */
	#replaceActive(pending: Buffer): void {
		const lost = this.#active;
		const { lastLsn, lastSeq, endTimeUs, end } = lost.durable;
		let endOffset = 0;
		lost.cut();
		const id = { firstLsn: lastLsn + 1, firstSeq: lastSeq + 1 };
		const segment = this.#createSegment(id, { createdUs: endTimeUs }, (made) => {
			reappendUnsynced(this.#options.fs, lost, this.#published, made);
			endOffset = made.state.end;
			if (pending.length > 0) made.append(pending, false);
		});
		log.warning("a sync of segment {lost} failed: the segment ends at byte {end}, and segment {firstLsn} follows it", {
			lost: lost.state.firstLsn,
			end,
			firstLsn: id.firstLsn,
		});
		this.#become(segment, endOffset);
	}

	/** The segment that a start goes on with. */
	#openActive({ active, missingFirstLsn }: RecoveredLog): SegmentWriter {
		if (active !== null) return new SegmentWriter(this.#options.fs, active);
		const previousFirstLsn = missingFirstLsn ?? undefined;
		const segment = this.#createSegment(this.#nextId, { previousFirstLsn });
		this.#kept.begin(this.#nextId);
		return segment;
	}

	/** Names a segment that begins with the next record. */
	get #nextId(): SegmentId {
		return { firstLsn: this.#nextLsn, firstSeq: this.#nextSeq };
	}

	/** The end of the log, with these as its last numbers. */
	#here(lsn: number, seq: number): LogEndPlace {
		const { epoch, end } = this.#active.state;
		return { lsn, seq, epoch, end };
	}

	/**
	 * Makes a segment that begins with the log's state, restated under the next numbers. These records have to be published later
	 * (`#publishAll`).
	 *
	 * @param header `previousFirstLsn` if the segment right before this one is missing; `createdUs` if the segment begins with
	 * records that were in another one
	 * @param save appends those records
	 */
	#createSegment(
		id: SegmentId,
		header: { previousFirstLsn?: number | undefined; createdUs?: number },
		save?: (segment: SegmentWriter) => void,
	): SegmentWriter {
		const make = (name: string, fill: (file: number) => SegmentWriter): SegmentWriter => this.#makeFile(name, fill);
		const stateLsn = this.#nextLsn;
		const timeUs = this.timeUs();
		const { bytes, records, endTimeUs } = restate(this.#state, { lsn: stateLsn, seq: this.#nextSeq - 1, timeUs });
		const { previousFirstLsn = this.#kept.before(id.firstLsn), createdUs = timeUs } = header;
		const numbers = { ...id, previousFirstLsn, createdUs, stateLsn, stateRecords: records };
		const segment = SegmentWriter.create(this.#options.fs, make, numbers, { save, state: bytes });
		this.#nextLsn += records;
		// Without any records too: no record of the segment may be older than its header says.
		this.#endTimeUs = endTimeUs;
		return segment;
	}

	/** A segment's file: the prepared one, or one that grows. */
	#makeFile(name: string, fill: (file: number) => SegmentWriter): SegmentWriter {
		const { fs, directory, counters } = this.#options;
		if (this.#prepared.isWhole) {
			try {
				const made = this.#prepared.take(name, fill);
				counters.add(segmentsBegun.of("prepared"));
				return made;
			} catch (error) {
				if (diskFaultReason(error) === null) throw error;
			}
		}
		const made = createFile(fs, directory, name, fill);
		counters.add(segmentsBegun.of("growing"));
		return made;
	}

	/** Whether the active segment begins with records that are not published yet. */
	get #hasUnpublishedState(): boolean {
		return this.#published.lsnUsedMax < this.#nextLsn - 1;
	}

	/** Publishes all that the active segment has. */
	#publishAll(): void {
		const lastLsn = this.#nextLsn - 1;
		const lastSeq = this.#nextSeq - 1;
		// After the sync, since this says that the records are there; and before their numbers are published.
		this.#numbers.cover(this.#here(lastLsn, lastSeq));
		const { end: endOffset } = this.#active.state;
		const used = { lsnUsedMax: lastLsn, seqUsedMax: lastSeq };
		this.#published = { lastLsn, lastSeq, ...used, endTimeUs: this.#endTimeUs, endOffset };
		this.#publish();
	}

	/** Goes on with this segment, which is published up to `endOffset`. */
	#become(segment: SegmentWriter, endOffset: number): void {
		const before = this.#active;
		this.#active = segment;
		this.#published = { ...this.#published, endOffset };
		this.#isEndDue = false;
		this.#kept.noteEnd(before.state.end, before.hasFailedSync);
		this.#kept.begin(segment.state);
		before.close();
	}

	#makeRoom(): void {
		this.#kept.makeRoom(() => this.#publish());
	}

	#publish(): void {
		const { position, active } = this.#options;
		const { state } = this.#active;
		const { firstLsn, firstSeq } = this.#kept.oldest ?? state;
		const { lastLsn, lastSeq, endTimeUs, endOffset } = this.#published;
		const segments = { activeFirstLsn: state.firstLsn, activeEpoch: state.epoch, endOffset };
		// Before the position, which wakes readers: they must find the records.
		active.publish({ firstLsn, firstSeq, lastLsn, lastSeq, ...segments }, state.index);
		const lastTimeUs = Math.max(endTimeUs - 1, 0);
		position.publish({ ...this.#published, firstLsn, firstSeq, durableLsn: this.durableLsn, lastTimeUs });
	}

	/** Does work that may fail by a fault of the disk. Returns whether it was done. */
	#attempt(work: () => void): boolean {
		let isDone = false;
		this.#orFail(() => {
			isDone = this.#stall.attempt(() => {
				if (this.#stall.reason === "disk-full") this.#prepared.remove();
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

/** Whether preparing the next segment's file is worth its room and its writes. */
function isPreparing({ fs, directory, segmentBytes, replayBytesMax }: LogWriterOptions): boolean {
	const hasRoom = replayBytesMax == null || replayBytesMax >= PREPARED_SEGMENTS_MIN * segmentBytes;
	return hasRoom && fs.writesInPlace(directory);
}

/** The segments that a start has found, with their ages. */
function placed({ sealed, active, endTimeUs }: RecoveredLog, options: LogWriterOptions): Segment[] {
	const { clock, elapsedMs, replayWindowMs } = options;
	const found = active === null ? sealed : [...sealed, { ...active, bytes: 0 }];
	return placeSegments(found, { lastTimeUs: endTimeUs, wallMs: clock(), nowMs: elapsedMs() }, replayWindowMs);
}

/** The greatest numbers that may have been given out already. */
function usedMax(
	{ directory, initialSeq }: LogWriterOptions,
	{ sealed, active, last, told }: RecoveredLog,
	found: FoundLastUsed | null,
): LogNumbers {
	const isNew = sealed.length === 0 && active === null;
	const isLastLost = last === null && !isNew;
	if (found === null && isLastLost) {
		throw new Error(
			`the log in ${directory} is damaged: neither its last segment nor the file \`last-used\` says which seqs were ` +
				"used. Move the directory away and start with RELAY_INITIAL_SEQ_NUMBER well above the last seq that consumers saw.",
		);
	}
	const lsn = Math.max(told.lsn, found?.numbers.lsnMax ?? 0);
	const seq = Math.max(told.seq, found?.numbers.seqMax ?? 0);
	const leftOut = isNew ? 0 : numbersLeftOut(found, isLastLost);
	return { lsn: Math.max(lsn + leftOut, initialSeq - 1), seq: Math.max(seq + leftOut, initialSeq - 1) };
}

/** How many numbers are left out, since nothing says how many were used. */
function numbersLeftOut(found: FoundLastUsed | null, isLastLost: boolean): number {
	if (found === null) {
		log.error("the file `last-used` is absent or damaged: {count} numbers are left out", { count: NUMBERS_LEFT_OUT });
		return NUMBERS_LEFT_OUT;
	}
	// An exact note is not synced with each batch, since the records say the same: but these are lost.
	if (!isLastLost || !found.numbers.isExact || found.numbers.isClean) return 0;
	log.error(
		"the last segment is lost, and the file `last-used` may be older, if the machine lost power: {count} numbers are left out",
		{ count: NUMBERS_LEFT_OUT },
	);
	return NUMBERS_LEFT_OUT;
}
