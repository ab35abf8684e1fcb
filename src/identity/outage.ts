/** Failures in a row, without an answer between them, after which a server counts as failing. */
const FAILURES_MAX = 3;
const FIRST_PAUSE_MS = 1_000;
const PAUSE_MS_MAX = 60_000;

/**
 * How long to wait after so many failures: doubling up to a minute, with jitter, so that those who wait don't come back at once.
 *
 * @param random uniform in [0, 1)
 */
export function backoffMs(failures: number, random: number): number {
	return Math.min(PAUSE_MS_MAX, FIRST_PAUSE_MS * 2 ** (failures - 1)) * (0.5 + random / 2);
}

/**
 * Whether a server can be asked. One that fails, or that asks to be left alone, is left alone for a while. After that it is
 * asked for one thing at a time until it answers.
 */
export class Outage {
	readonly #random: () => number;
	/** In a row; those of requests that were under way when a pause began don't count. */
	#failures = 0;
	#pauses = 0;
	#failing = false;
	#untilMs = Number.NEGATIVE_INFINITY;

	/** @param random uniform in [0, 1), given by tests */
	constructor(random: () => number = Math.random) {
		this.#random = random;
	}

	/** Whether the server failed, and has not answered since. */
	get failing(): boolean {
		return this.#failing;
	}

	/** How long nothing must be asked; 0 where something may. */
	waitMs(nowMs: number): number {
		return Math.max(0, this.#untilMs - nowMs);
	}

	/** How much may be asked at once, of at most `atOnceMax`. */
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
	 * @param retryAfterMs how long the server asked to be left alone, if it did
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
