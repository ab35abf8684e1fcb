const FIRST_DELAY_MS = 1_000;
const DELAY_MS_MAX = 15 * 60_000;
/** A connection that was open this long counts as a success, even if the host sent nothing. */
const PROGRESS_MS = 60_000;
/** Failures in a row after which a host counts as offline. It is still dialled. */
const OFFLINE_AFTER_FAILURES = 8;

/**
 * Decides when to dial a host again. Delays double up to a maximum, with jitter, and attempts never end: a host that was down for
 * a month is found again within the maximum delay. A host that accepts and then closes is treated like one that doesn't answer.
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
	 * Must be called when a connection ended or an attempt failed. Returns how many milliseconds to wait before the next dial.
	 *
	 * @param madeProgress whether a new message came over the connection
	 * @param heldMs how long it was open; 0 if the attempt failed
	 */
	ended(madeProgress: boolean, heldMs: number): number {
		if (madeProgress || heldMs >= PROGRESS_MS) this.#failures = 0;
		const delayMs = Math.min(DELAY_MS_MAX, FIRST_DELAY_MS * 2 ** this.#failures);
		this.#failures++;
		return delayMs * (0.5 + this.#random() / 2);
	}

	/** Forgets the failures, such as when somebody asks for the host. */
	reset(): void {
		this.#failures = 0;
	}
}
