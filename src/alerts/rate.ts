/** Windows over which a rate is measured: of now, and of its past. */
export const SHORT_MS = 5 * 60_000;
export const LONG_MS = 24 * 3_600_000;

/** How fast a counter grows, now and usually. Times are Unix ms. */
export interface Rate {
	/** The counter, when it was last looked at. */
	readonly count: number;
	readonly atMs: number;
	/** Since when it has been counted: an average has no more past than that. */
	readonly bornMs: number;
	/** What was counted, with weights that fall with age: over some minutes, and over a day. */
	readonly short: number;
	readonly long: number;
}

/** A counter that stands at `count`. What it has counted before is not known. */
export function newRate(count: number, atMs: number, bornMs = atMs): Rate {
	return { count, atMs, bornMs, short: 0, long: 0 };
}

/** The rate after another look. A count that is less than before began anew at 0, as after a restart. */
export function measured(rate: Rate, count: number, nowMs: number): Rate {
	const grown = count >= rate.count ? count - rate.count : count;
	const passedMs = Math.max(0, nowMs - rate.atMs);
	return {
		...rate,
		count,
		atMs: nowMs,
		short: rate.short * Math.exp(-passedMs / SHORT_MS) + grown,
		long: rate.long * Math.exp(-passedMs / LONG_MS) + grown,
	};
}

/** What it counts within `SHORT_MS` now, and how much that usually is. */
export function nowAndUsually({ short, long, atMs, bornMs }: Rate): { now: number; usually: number } {
	const ageMs = Math.max(atMs - bornMs, SHORT_MS);
	// A past that is shorter than the window has not filled it.
	const filledMs = LONG_MS * (1 - Math.exp(-ageMs / LONG_MS));
	return { now: short, usually: (long / filledMs) * SHORT_MS };
}
