/** The greatest number of times in any window of this length: a log of all times, and nothing else. */
export function mostInAnyWindow(timesMs: readonly number[], windowMs: number): number {
	let most = 0;
	let first = 0;
	for (const [at, timeMs] of timesMs.entries()) {
		while (timeMs >= (timesMs[first] ?? 0) + windowMs) first++;
		most = Math.max(most, at - first + 1);
	}
	return most;
}
