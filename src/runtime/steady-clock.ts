const ORIGIN_MS = performance.timeOrigin;

/**
 * Milliseconds since 1970, as the wall clock was when the thread began, and by the monotonic clock from then on. It never steps, so durations may be
 * taken from it. All threads of a relay begin within a second, so their times agree within a millisecond, unless the wall clock
 * was set in that second. It is at most as exact as a quarter of a microsecond.
 */
export function steadyMs(): number {
	return ORIGIN_MS + performance.now();
}

/** The same moment by `performance.now()` of this thread. */
export function monotonicMsOf(steadyTimeMs: number): number {
	return steadyTimeMs - ORIGIN_MS;
}
