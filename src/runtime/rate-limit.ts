import { RecentMap } from "./recent-map.ts";

export interface RateLimitOptions {
	/** How often per second one key may act, on average. */
	perS: number;
	/** How often at once, after enough idle time. At least 1. */
	burst: number;
	/** Keys that are remembered. The one used longest ago is forgotten first, and then starts with a full bucket. */
	keysMax: number;
	/** Monotonic milliseconds. */
	nowMs?: () => number;
}

/** Tolerance for rounding errors in sums of fractions. Far below the resolution of a clock. */
const ROUNDING_MS = 1e-6;

/** A token bucket for each key, such as an address. Bounded in memory by `keysMax`. */
export class RateLimit {
	readonly #intervalMs: number;
	readonly #burstMs: number;
	readonly #nowMs: () => number;
	/** When the bucket of a key is full again. */
	readonly #fullAtMs: RecentMap<string, number>;

	constructor({ perS, burst, keysMax, nowMs = () => performance.now() }: RateLimitOptions) {
		this.#intervalMs = 1000 / perS;
		this.#burstMs = burst * this.#intervalMs;
		this.#fullAtMs = new RecentMap({ entriesMax: keysMax });
		this.#nowMs = nowMs;
	}

	/** Takes a token. Returns 0, or the milliseconds until the key has one: then nothing is taken. */
	take(key: string): number {
		const waitMs = this.waitMs(key);
		if (waitMs === 0) this.charge(key);
		return waitMs;
	}

	/** Milliseconds until the key has a token; 0 when it has one. */
	waitMs(key: string): number {
		const nowMs = this.#nowMs();
		const fullAtMs = Math.max(this.#fullAtMs.peek(key) ?? nowMs, nowMs);
		return Math.max(0, Math.ceil(fullAtMs + this.#intervalMs - this.#burstMs - nowMs - ROUNDING_MS));
	}

	/** Takes a token whether there is one or not. */
	charge(key: string): void {
		const nowMs = this.#nowMs();
		const fullAtMs = Math.max(this.#fullAtMs.peek(key) ?? nowMs, nowMs);
		this.#fullAtMs.set(key, fullAtMs + this.#intervalMs);
	}
}
