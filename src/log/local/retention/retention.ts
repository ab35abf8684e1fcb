// log/local/retention/: which segments are removed, and when. Nothing is appended here.
import type { SegmentId } from "../segment/segment.ts";

/** A segment, as retention sees it. */
export interface Segment extends SegmentId {
	/** When it was begun, in milliseconds of this process's monotonic clock. That may be before the process began. */
	bornMs: number;
	/** Size of its file; 0 for the active segment. */
	bytes: number;
	/** A sync of its file failed. Nobody knows of one that an earlier process made. */
	hasFailedSync?: boolean;
}

/** A segment, as a start finds it. */
export interface FoundSegment extends SegmentId {
	/** When it was begun, by the wall clock of that time, in microseconds since 1970; null if its header can't be read. */
	createdUs: number | null;
	bytes: number;
}

const MINUTE_MS = 60_000;
const SEGMENT_AGE_MS_MAX = 6 * 60 * MINUTE_MS;

/** Age at which a segment ends although it is not full, so that retention works in fine steps on a quiet relay too. */
export function segmentAgeMsMax(replayWindowMs: number): number {
	return Math.min(Math.max(replayWindowMs / 24, MINUTE_MS), SEGMENT_AGE_MS_MAX);
}

/**
 * The longest time between the beginnings of a segment and the next one that the wall clock is believed. A log that is written
 * to ends its segments sooner, so anything longer is a step of the clock, or time in which nothing was written.
 */
export function stepMsMax(replayWindowMs: number): number {
	return segmentAgeMsMax(replayWindowMs) + 2 * MINUTE_MS;
}

/** The moment of a start, by which the segments that it finds are given an age. */
export interface StartMoment {
	/** Time of the log's end, in microseconds since 1970; 0 if it has no record. */
	lastTimeUs: number;
	/** Milliseconds since 1970. */
	wallMs: number;
	/** The same moment, in milliseconds of the monotonic clock. */
	nowMs: number;
}

/**
 * Places the segments that a start finds on the monotonic clock. Only the wall clock of their time says how old they are, and
 * it may have stepped: so what it says is believed from one segment to the next, up to `stepMsMax` each. A step forward, of
 * whatever size, makes the log older by no more than that.
 *
 * @param found oldest first, the one that is written to last
 */
export function placeSegments(
	found: readonly FoundSegment[],
	{ lastTimeUs, wallMs, nowMs }: StartMoment,
	replayWindowMs: number,
): Segment[] {
	const stepMax = stepMsMax(replayWindowMs);
	const stepMs = (fromUs: number, toUs: number): number => Math.min(Math.max((toUs - fromUs) / 1000, 0), stepMax);
	let bornMs = nowMs - stepMs(lastTimeUs, wallMs * 1000);
	let nextUs = lastTimeUs;
	const placed = found.toReversed().map(({ firstLsn, firstSeq, createdUs, bytes }): Segment => {
		// A header that can't be read makes no segment older.
		bornMs -= stepMs(createdUs ?? nextUs, nextUs);
		nextUs = createdUs ?? nextUs;
		return { firstLsn, firstSeq, bornMs, bytes };
	});
	return placed.reverse();
}

/**
 * How many of the oldest segments a reader no longer needs that has read up to `lsn`. The active one is never among them.
 *
 * @param segments all of them, oldest first, the active one last
 */
export function removableSegments(segments: readonly Segment[], lsn: number): number {
	const next = segments.findIndex((_, at) => {
		const behind = segments[at + 1];
		return behind === undefined || behind.firstLsn - 1 > lsn;
	});
	return Math.max(next, 0);
}

/**
 * How many of the oldest segments are past the replay window. A segment's records are older than the next segment, so the
 * birth of that one stands for their age, and no segment has to be opened for this.
 *
 * @param nowMs by the monotonic clock
 */
export function expiredSegments(segments: readonly Segment[], nowMs: number, replayWindowMs: number): number {
	const youngest = segments.findLastIndex(({ bornMs }) => nowMs - bornMs > replayWindowMs);
	return Math.max(youngest, 0);
}

/** How many of the oldest segments have to go to free `bytes`; all, if they have fewer. */
export function segmentsOfBytes(segments: readonly Segment[], bytes: number): number {
	let freed = 0;
	for (const [count, segment] of segments.entries()) {
		if (freed >= bytes) return count;
		freed += segment.bytes;
	}
	return segments.length;
}
