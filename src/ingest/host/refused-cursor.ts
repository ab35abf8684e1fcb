/** After at least this many such answers over at least this time, our cursor is given up. */
const ANSWERS_MIN = 3;
const SPAN_MS_MIN = 60 * 60_000;

/**
 * Counts a host's answers that our cursor is in its future. That may be temporary, such as while a PDS was restored from a backup
 * and catches up. A host that says so for an hour has lost its numbering; with this cursor we would never get its messages again.
 */
export class RefusedCursor {
	#answers = 0;
	#firstMs = 0;

	/** Must be called when the host answered `FutureCursor`. Returns whether to give the cursor up. */
	answered(nowMs: number): boolean {
		if (this.#answers === 0) this.#firstMs = nowMs;
		this.#answers++;
		return this.#answers >= ANSWERS_MIN && nowMs - this.#firstMs >= SPAN_MS_MIN;
	}

	/** Must be called when the host sent a message, or is asked for another cursor. */
	clear(): void {
		this.#answers = 0;
	}
}
