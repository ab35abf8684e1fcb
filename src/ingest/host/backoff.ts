const FIRST_DELAY_MS = 1_000;
const DELAY_MS_MAX = 15 * 60_000;
/** A connection that held this long was worth something, even if its host had nothing to say. */
const PROGRESS_MS = 60_000;
/** Failures in a row after which a host counts as offline. It is dialled all the same. */
const OFFLINE_AFTER_FAILURES = 8;

/**
 * When to dial a host again. Delays double up to a cap, with jitter, and never end: a host that was down for a month is
 * found again within the cap. A host that accepts and then closes waits like one that doesn't answer.
 */
export class Backoff {
	#failures = 0;
	readonly #random: () => number;

	/** @param random uniform in [0, 1), given by tests */
	constructor(random: () => number = Math.random) {
		this.#random = random;
	}

	get offline(): boolean {
		return this.#failures >= OFFLINE_AFTER_FAILURES;
	}

	/**
	 * A connection ended, or did not come about. Returns how many milliseconds to wait before the next dial.
	 *
	 * @param madeProgress whether a new message came over it
	 * @param heldMs how long it was open; 0 where it did not come about
	 */
	ended(madeProgress: boolean, heldMs: number): number {
		if (madeProgress || heldMs >= PROGRESS_MS) this.#failures = 0;
		const delayMs = Math.min(DELAY_MS_MAX, FIRST_DELAY_MS * 2 ** this.#failures);
		this.#failures++;
		return delayMs * (0.5 + this.#random() / 2);
	}

	/** Somebody asked for the host: dial as if nothing had failed. */
	reset(): void {
		this.#failures = 0;
	}
}
