/** An answer is as good as new for this long. */
export const SCRAPE_MS = 1_000;

/**
 * Gives everybody who asks within a second the same text, so that the number of those who ask does not matter.
 *
 * @param render makes the text anew
 * @param nowMs monotonic milliseconds
 */
export function scrapeCache(render: () => Promise<string>, nowMs: () => number): () => Promise<string> {
	let renderedAtMs = Number.NEGATIVE_INFINITY;
	let text: Promise<string> = Promise.resolve("");
	return () => {
		const now = nowMs();
		if (now - renderedAtMs < SCRAPE_MS) return text;
		renderedAtMs = now;
		text = render();
		// A failure is not kept: who asks next may have more luck.
		text.catch(() => {
			renderedAtMs = Number.NEGATIVE_INFINITY;
		});
		return text;
	};
}
