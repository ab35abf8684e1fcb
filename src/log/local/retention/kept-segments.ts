import { join } from "node:path";
import { diskFaultReason } from "../../../disk/fault.ts";
import type { Counters } from "../../../observe/counters.ts";
import { logOf } from "../../../observe/log.ts";
import { counter } from "../../../observe/metric.ts";
import type { Marks } from "../../marks.ts";
import type { LogFs } from "../log-fs.ts";
import { removeIfThere } from "../segment/new-file.ts";
import { type SegmentId, segmentName } from "../segment/segment.ts";
import { Holds } from "./holds.ts";
import { expiredSegments, type Segment, segmentsOfBytes } from "./retention.ts";

const segmentsRemoved = counter("segments_removed_total", "segments removed by retention");

export interface KeptSegmentsOptions {
	directory: string;
	fs: LogFs;
	counters: Counters;
	/** Of the readers that are waited for. */
	marks: Marks;
	/** Milliseconds of a clock that never steps. */
	elapsedMs: () => number;
	/** Older records go. */
	replayWindowMs: number;
	/** Bytes of segments that are kept at most, the active one counted as full; null for no limit. */
	replayBytesMax: number | null;
	/** Bytes of the disk that are to stay free; 0 to leave that to others. */
	diskReserveBytes: number;
	segmentBytes: number;
}

const log = logOf("log");

/** The segments of the log, and which of them have to go. */
export class KeptSegments {
	readonly #options: KeptSegmentsOptions;
	readonly #holds: Holds;
	/** Oldest first, the active one last. */
	readonly #segments: Segment[];
	/** No longer part of the log, and not removed yet since the disk did not let us. */
	#leftover: SegmentId[] = [];
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

	/** Notes how large the newest segment has become. */
	noteBytes(bytes: number): void {
		const newest = this.#segments.at(-1);
		if (newest !== undefined) newest.bytes = bytes;
	}

	/**
	 * Removes the oldest segments, as far as age, bytes and the disk's reserve ask for it and the log's readers allow it. A file
	 * that the disk does not let go is tried again the next time; for readers it is gone all the same.
	 *
	 * @param publish tells readers the new oldest segment; called before any file goes, so that none ever surprises them
	 */
	makeRoom(publish: () => void): void {
		const { diskReserveBytes, counters } = this.#options;
		const missingBytes = diskReserveBytes === 0 ? 0 : diskReserveBytes - this.#freeBytes();
		const removed = this.#segments.splice(0, this.#countToRemove(missingBytes));
		const freedBytes = removed.reduce((sum, segment) => sum + segment.bytes, 0);
		this.#isBelowReserve = freedBytes < missingBytes;
		if (removed.length > 0) {
			publish();
			counters.add(segmentsRemoved, removed.length);
		}
		const files = [...this.#leftover, ...removed];
		this.#leftover = files.filter((id) => !this.#remove(id));
	}

	#countToRemove(missingBytes: number): number {
		const { elapsedMs, replayWindowMs, replayBytesMax, segmentBytes } = this.#options;
		const segments = this.#segments;
		const sealedBytes = segments.slice(0, -1).reduce((sum, segment) => sum + segment.bytes, 0);
		const extraBytes = replayBytesMax === null ? 0 : sealedBytes + segmentBytes - replayBytesMax;
		const wanted = Math.max(
			expiredSegments(segments, elapsedMs(), replayWindowMs),
			segmentsOfBytes(segments, extraBytes),
			// By the sizes of the files, not until the disk says so: a reader may hold one open a moment longer.
			segmentsOfBytes(segments, missingBytes),
		);
		return this.#holds.release(segments, wanted, missingBytes > 0);
	}

	/** Where the system can't say, there is enough: a write that fails will tell. */
	#freeBytes(): number {
		try {
			return this.#options.fs.freeBytes(this.#options.directory);
		} catch (error) {
			if (diskFaultReason(error) === null) throw error;
			return Number.POSITIVE_INFINITY;
		}
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
