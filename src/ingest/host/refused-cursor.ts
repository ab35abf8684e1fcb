/** After an answer of `FutureCursor`, the host is asked again this much later. */
export const REFUSED_CURSOR_RETRY_MS = 30 * 60_000;
/** So many such answers, over so much time, and our cursor is given up. */
const ANSWERS_MIN = 3;
const SPAN_MS_MIN = 60 * 60_000;

/**
 * Counts a host's answers that our cursor is in its future. It may be so for a moment, such as while a PDS comes back from a
 * backup and catches up; one that says so for an hour has lost its numbering, and would never be heard of again.
 */
export class RefusedCursor {
	#answers = 0;
	#firstMs = 0;

	/** The host answered `FutureCursor`. Returns whether it is time to give the cursor up. */
	answered(nowMs: number): boolean {
		if (this.#answers === 0) this.#firstMs = nowMs;
		this.#answers++;
		return this.#answers >= ANSWERS_MIN && nowMs - this.#firstMs >= SPAN_MS_MIN;
	}

	/** The host sent a message, or is asked for another cursor. */
	clear(): void {
		this.#answers = 0;
	}
}
