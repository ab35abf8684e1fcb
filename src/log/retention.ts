/** A segment, as retention sees it. */
export interface Segment {
	firstSeq: number;
	/** When it was begun, microseconds since 1970; null where its header can't be read. */
	createdUs: number | null;
}

const MINUTE_MS = 60_000;
const SEGMENT_AGE_MS_MAX = 6 * 60 * MINUTE_MS;

/** Age at which a segment ends although it is not full, so that retention works in fine steps on a quiet relay too. */
export function segmentAgeMsMax(replayWindowMs: number): number {
	return Math.min(Math.max(replayWindowMs / 24, MINUTE_MS), SEGMENT_AGE_MS_MAX);
}

/**
 * How many of the oldest segments may go. A segment's records are older than the segment behind it, so that one's
 * creation stands for their age, and no segment has to be opened for this.
 *
 * @param segments all of them, oldest first, the active one last: it stays
 * @param appliedSeq the index still needs what lies behind it
 */
export function expiredSegments(
	segments: readonly Segment[],
	nowMs: number,
	replayWindowMs: number,
	appliedSeq: number,
): number {
	const createdUsMin = (nowMs - replayWindowMs) * 1000;
	let createdUs = Number.POSITIVE_INFINITY;
	for (const [expired, next] of [...segments.entries()].reverse()) {
		createdUs = next.createdUs ?? createdUs;
		if (createdUs < createdUsMin && next.firstSeq - 1 <= appliedSeq) return expired;
	}
	return 0;
}
