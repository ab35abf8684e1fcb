/** After so many failures in a row, without an answer between them, a server counts as failing. */
const FAILURES_MAX = 3;
const FIRST_PAUSE_MS = 1_000;
const PAUSE_MS_MAX = 60_000;

/**
 * How long to wait after so many failures. The time doubles up to a minute, with jitter, so that not all waiters come back at
 * once.
 *
 * @param random uniform in [0, 1)
 */
export function backoffMs(failures: number, random: number): number {
	return Math.min(PAUSE_MS_MAX, FIRST_PAUSE_MS * 2 ** (failures - 1)) * (0.5 + random / 2);
}

/**
 * Whether a server can be asked. A server that fails, or that asks us to wait, is not asked for a while: a pause. After the
 * pause it gets one request at a time until it answers.
 */
export class Outage {
	readonly #random: () => number;
	/** Failures in a row. Failures during a pause don't count: their requests began before it. */
	#failures = 0;
	#pauses = 0;
	#failing = false;
	#untilMs = Number.NEGATIVE_INFINITY;

	/** @param random uniform in [0, 1), given by tests */
	constructor(random: () => number = Math.random) {
		this.#random = random;
	}

	/** Whether the server failed or asked us to wait, and has not answered since. */
	get failing(): boolean {
		return this.#failing;
	}

	/** How much of the pause is left; 0 if the server may be asked. */
	waitMs(nowMs: number): number {
		return Math.max(0, this.#untilMs - nowMs);
	}

	/** How many requests may run at once, of at most `atOnceMax`. */
	atOnce(nowMs: number, atOnceMax: number): number {
		if (this.waitMs(nowMs) > 0) return 0;
		return this.#failing ? 1 : atOnceMax;
	}

	/** The server answered. Returns whether that ends an outage. */
	answered(nowMs: number): boolean {
		// This may be the answer to a request from before the pause.
		if (this.waitMs(nowMs) > 0) return false;
		const ends = this.#failing;
		this.#failures = 0;
		this.#pauses = 0;
		this.#failing = false;
		return ends;
	}

	/**
	 * A request failed. Returns whether that begins an outage.
	 *
	 * @param retryAfterMs how long the server asked us to wait; null if it did not
	 */
	failed(nowMs: number, retryAfterMs: number | null): boolean {
		const begins = !this.#failing;
		if (retryAfterMs !== null) {
			this.#failing = true;
			this.#untilMs = Math.max(this.#untilMs, nowMs + retryAfterMs);
			return begins;
		}
		if (this.waitMs(nowMs) > 0) return false;
		this.#failures++;
		if (this.#failures < FAILURES_MAX && !this.#failing) return false;
		this.#failing = true;
		this.#untilMs = nowMs + backoffMs(++this.#pauses, this.#random());
		return begins;
	}
}
