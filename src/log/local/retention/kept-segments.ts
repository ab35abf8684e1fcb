import { join } from "node:path";
import { diskFaultReason } from "../../../disk/fault.ts";
import type { Counters } from "../../../observe/counters.ts";
import { logOf } from "../../../observe/log.ts";
import { counter, gauge } from "../../../observe/metric.ts";
import type { Marks } from "../../marks.ts";
import { freeBytesIfKnown, type LogFs } from "../log-fs.ts";
import { removeIfThere } from "../segment/new-file.ts";
import type { PreparedFile } from "../segment/prepared-file.ts";
import { type SegmentId, segmentName } from "../segment/segment.ts";
import { Holds } from "./holds.ts";
import { expiredSegments, type Segment, segmentsOfBytes } from "./retention.ts";

const segmentsRemoved = counter(
	"segments_removed_total",
	"segments removed by retention",
	"If segments are removed earlier than `RELAY_REPLAY_WINDOW` says, the disk or `RELAY_REPLAY_BYTES` is too small.",
);

const logSegments = gauge(
	"log_segments",
	"segments of the log",
	"If it grows beyond what the replay window needs, a reader of the log holds them back: look at `standpipe_log_reader_lag_records`.",
);
const logSizeBytes = gauge(
	"log_size_bytes",
	"bytes of the log's segments, and of the file that is prepared for the next one",
	"Compare it with `standpipe_log_size_limit_bytes` and with the disk. `RELAY_REPLAY_BYTES` limits it.",
);
const logOldestAgeSeconds = gauge(
	"log_oldest_age_seconds",
	"age of the oldest record that consumers can replay, give or take a segment",
	"If it stays below `standpipe_log_replay_window_seconds` on a relay that has run for longer, the disk or `RELAY_REPLAY_BYTES` is too small.",
);
const logDiskFreeBytes = gauge(
	"log_disk_free_bytes",
	"bytes that are free on the log's disk",
	"If it nears `standpipe_log_disk_reserve_bytes`, segments are removed early, and then hosts are paused: free space, or shorten the log.",
);

export interface KeptSegmentsOptions {
	directory: string;
	fs: LogFs;
	counters: Counters;
	/** Of the readers that retention waits for. */
	marks: Marks;
	/** Milliseconds of a clock that never steps. */
	elapsedMs: () => number;
	/** Older records are removed. */
	replayWindowMs: number;
	/** Bytes of segments that are kept at most, the active one counted as full; null for no limit. */
	replayBytesMax: number | null;
	/** Bytes of the disk that are to stay free; 0 for no reserve. */
	diskReserveBytes: number;
	segmentBytes: number;
	/** The file for the next segment. It counts in the limits, and may have to go. */
	prepared: PreparedFile;
}

const log = logOf("log");

/** The segments of the log, and which of them have to go. */
export class KeptSegments {
	readonly #options: KeptSegmentsOptions;
	readonly #holds: Holds;
	/** Oldest first, the active one last. */
	readonly #segments: Segment[];
	/** No longer part of the log, but not removed yet since the disk failed. */
	#leftover: Segment[] = [];
	#isBelowReserve = false;

	/** @param segments oldest first */
	constructor(options: KeptSegmentsOptions, segments: Segment[]) {
		this.#options = options;
		this.#holds = new Holds(options.marks.all, options.counters);
		this.#segments = segments;
	}

	/** Whether there was less free disk than the reserve, and nothing more to remove, when `makeRoom` last looked. */
	get isBelowReserve(): boolean {
		return this.#isBelowReserve;
	}

	/** The oldest segment. */
	get oldest(): SegmentId | undefined {
		return this.#segments[0];
	}

	/** First lsn of the segment that one with this first lsn follows; 0 for none. */
	before(firstLsn: number): number {
		return this.#segments.findLast((segment) => segment.firstLsn < firstLsn)?.firstLsn ?? 0;
	}

	/** Adds a segment that is begun now, and written to from now on. One of the same name is replaced. */
	begin({ firstLsn, firstSeq }: SegmentId): void {
		if (this.#segments.at(-1)?.firstLsn === firstLsn) this.#segments.pop();
		this.#segments.push({ firstLsn, firstSeq, bornMs: this.#options.elapsedMs(), bytes: 0 });
	}

	/** Age of the newest segment. */
	get newestAgeMs(): number {
		const newest = this.#segments.at(-1);
		return newest === undefined ? 0 : this.#options.elapsedMs() - newest.bornMs;
	}

	/** Notes how large the newest segment has become, and whether its file can't be used again. */
	noteEnd(bytes: number, hasFailedSync: boolean): void {
		const newest = this.#segments.at(-1);
		if (newest !== undefined) Object.assign(newest, { bytes, hasFailedSync });
	}

	/** Brings the metrics up to date. @param activeBytes what the active segment has by now */
	measure(activeBytes: number): void {
		const { fs, directory, counters, elapsedMs, prepared } = this.#options;
		const segments = [...this.#leftover, ...this.#segments];
		const sealedBytes = segments.slice(0, -1).reduce((sum, { bytes }) => sum + bytes, 0);
		counters.set(logSegments, segments.length);
		counters.set(logSizeBytes, sealedBytes + activeBytes + prepared.bytes);
		counters.set(logOldestAgeSeconds, (elapsedMs() - (this.#segments[0]?.bornMs ?? elapsedMs())) / 1000);
		const freeBytes = freeBytesIfKnown(fs, directory);
		if (Number.isFinite(freeBytes)) counters.set(logDiskFreeBytes, freeBytes);
	}

	/**
	 * Removes the oldest segments, as far as age, bytes and the disk's reserve require it and the log's readers allow it. A file
	 * that the disk does not let go is tried again the next time, and so are those after it. For readers they are gone already.
	 *
	 * @param publish publishes the new oldest segment; called before any file goes, so that no reader takes that for damage
	 */
	makeRoom(publish: () => void): void {
		const { fs, directory, diskReserveBytes, counters, prepared } = this.#options;
		let missingBytes = diskReserveBytes === 0 ? 0 : diskReserveBytes - freeBytesIfKnown(fs, directory);
		const isShort = missingBytes > 0;
		// The prepared file goes first: it has no records, and the log works without it.
		if (isShort) missingBytes -= prepared.remove();
		const removed = this.#segments.splice(0, this.#countToRemove(missingBytes));
		const freedBytes = removed.reduce((sum, segment) => sum + segment.bytes, 0);
		if (this.#roomBytes < 0) prepared.remove();
		this.#isBelowReserve = freedBytes < missingBytes;
		if (removed.length > 0) {
			publish();
			counters.add(segmentsRemoved, removed.length);
		}
		const files = [...this.#leftover, ...removed];
		// In order, up to the first that stays: if the process ends here, the next start finds no hole among those that are left.
		const stays = files.findIndex((segment) => !(!isShort && this.#reuse(segment)) && !this.#remove(segment));
		this.#leftover = stays === -1 ? [] : files.slice(stays);
	}

	/** What is left of the byte limit, the active segment counted as full. Negative if it is exceeded. */
	get #roomBytes(): number {
		const { replayBytesMax, segmentBytes, prepared } = this.#options;
		if (replayBytesMax === null) return Number.POSITIVE_INFINITY;
		const sealedBytes = this.#segments.slice(0, -1).reduce((sum, segment) => sum + segment.bytes, 0);
		return replayBytesMax - sealedBytes - segmentBytes - prepared.bytes;
	}

	#reuse(segment: Segment): boolean {
		// A later sync of its file would be believed.
		if (segment.hasFailedSync === true) return false;
		return this.#options.prepared.adopt(segmentName(segment), segment.bytes, this.#roomBytes);
	}

	#countToRemove(missingBytes: number): number {
		const { elapsedMs, replayWindowMs } = this.#options;
		const segments = this.#segments;
		const wanted = Math.max(
			expiredSegments(segments, elapsedMs(), replayWindowMs),
			segmentsOfBytes(segments, -this.#roomBytes),
			// By the sizes of the files, not by the disk's free space: a reader may have a removed file open a moment longer.
			segmentsOfBytes(segments, missingBytes),
		);
		return this.#holds.release(segments, wanted, missingBytes > 0);
	}

	#remove(id: SegmentId): boolean {
		const { fs, directory } = this.#options;
		try {
			removeIfThere(fs, join(directory, segmentName(id)));
			return true;
		} catch (error) {
			const reason = diskFaultReason(error);
			if (reason === null) throw error;
			log.warning("segment {firstLsn} can't be removed for now: {reason}", { firstLsn: id.firstLsn, reason });
			return false;
		}
	}
}
