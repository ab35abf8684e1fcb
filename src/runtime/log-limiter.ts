import { RecentMap } from "./recent-map.ts";

export interface LogLimiterOptions {
	/** After one line, further lines of the same key are left out for this long. */
	intervalMs: number;
	/** Keys that are remembered. The one that logged longest ago is forgotten first, and may then log again at once. */
	keysMax: number;
	/** Monotonic milliseconds. */
	nowMs?: () => number;
}

/** Limits the log lines that a stranger can cause: one line per key and interval. A key is, for example, a host's name. */
export class LogLimiter {
	readonly #intervalMs: number;
	readonly #nowMs: () => number;
	/** The last line of each key, and how many were left out since. */
	readonly #lines: RecentMap<string, { atMs: number; omitted: number }>;

	constructor({ intervalMs, keysMax, nowMs = () => performance.now() }: LogLimiterOptions) {
		this.#intervalMs = intervalMs;
		this.#lines = new RecentMap({ entriesMax: keysMax });
		this.#nowMs = nowMs;
	}

	/**
	 * Asks whether a line may be logged now. Returns how many lines of the key were left out since its last one, or null if this
	 * one must be left out too.
	 */
	take(key: string): number | null {
		const nowMs = this.#nowMs();
		const last = this.#lines.peek(key);
		if (last !== undefined && nowMs - last.atMs < this.#intervalMs) {
			last.omitted++;
			return null;
		}
		this.#lines.set(key, { atMs: nowMs, omitted: 0 });
		return last?.omitted ?? 0;
	}
}
