/** A segment, as retention sees it. */
export interface Segment {
	firstSeq: number;
	/** When it was begun, microseconds since 1970; null where its header can't be read. */
	createdUs: number | null;
	/** Of its file; of the active segment, whatever it has by now. */
	bytes: number;
}

const MINUTE_MS = 60_000;
const SEGMENT_AGE_MS_MAX = 6 * 60 * MINUTE_MS;

/** Age at which a segment ends although it is not full, so that retention works in fine steps on a quiet relay too. */
export function segmentAgeMsMax(replayWindowMs: number): number {
	return Math.min(Math.max(replayWindowMs / 24, MINUTE_MS), SEGMENT_AGE_MS_MAX);
}

/**
 * How many of the oldest segments may go at all: the active one stays, and so does what the index has not applied.
 *
 * @param segments all of them, oldest first, the active one last
 */
export function removableSegments(segments: readonly Segment[], appliedSeq: number): number {
	const next = segments.findIndex((_, at) => {
		const behind = segments[at + 1];
		return behind === undefined || behind.firstSeq - 1 > appliedSeq;
	});
	return Math.max(next, 0);
}

/**
 * How many of the oldest segments are past the replay window. A segment's records are older than the segment behind it,
 * so that one's creation stands for their age, and no segment has to be opened for this.
 */
export function expiredSegments(segments: readonly Segment[], nowMs: number, replayWindowMs: number): number {
	const createdUsMin = (nowMs - replayWindowMs) * 1000;
	let createdUs = Number.POSITIVE_INFINITY;
	for (const [expired, next] of [...segments.entries()].reverse()) {
		createdUs = next.createdUs ?? createdUs;
		if (createdUs < createdUsMin) return expired;
	}
	return 0;
}

/** How many of the oldest segments have to go for `bytes` to be free of them; all, where they have not so much. */
export function segmentsOfBytes(segments: readonly Segment[], bytes: number): number {
	let freed = 0;
	for (const [count, segment] of segments.entries()) {
		if (freed >= bytes) return count;
		freed += segment.bytes;
	}
	return segments.length;
}
