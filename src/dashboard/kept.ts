/**
 * Makes a question that is asked at most once in `intervalMs`, however many want to know. Those in between get the last answer. After a
 * failure it is asked again at once.
 *
 * @param nowMs monotonic milliseconds
 */
export function kept<Answer>(
	intervalMs: number,
	nowMs: () => number,
	ask: () => Promise<Answer>,
): () => Promise<Answer> {
	let answer: Promise<Answer> | null = null;
	let untilMs = Number.NEGATIVE_INFINITY;
	return () => {
		if (answer === null || nowMs() >= untilMs) {
			const asked = ask();
			answer = asked;
			untilMs = nowMs() + intervalMs;
			asked.catch(() => {
				if (answer === asked) answer = null;
			});
		}
		return answer;
	};
}
