export interface LogLimiterOptions {
	/** After one line, further lines of the same key are left out for this long. */
	intervalMs: number;
	/** Keys that are remembered. The one used longest ago is forgotten first, and may then log again. */
	keysMax: number;
	/** Monotonic milliseconds. */
	nowMs?: () => number;
}

/** Limits the log lines that a stranger can cause: one line per key and interval. A key is a host's name, say. */
export class LogLimiter {
	readonly #intervalMs: number;
	readonly #keysMax: number;
	readonly #nowMs: () => number;
	/** Oldest line first. */
	readonly #lines = new Map<string, { atMs: number; omitted: number }>();

	constructor({ intervalMs, keysMax, nowMs = () => performance.now() }: LogLimiterOptions) {
		this.#intervalMs = intervalMs;
		this.#keysMax = keysMax;
		this.#nowMs = nowMs;
	}

	/** Asks for a line. Returns how many lines of the key were left out since its last one, or null: leave this one out too. */
	take(key: string): number | null {
		const nowMs = this.#nowMs();
		const last = this.#lines.get(key);
		if (last !== undefined && nowMs - last.atMs < this.#intervalMs) {
			last.omitted++;
			return null;
		}
		this.#lines.delete(key);
		if (this.#lines.size >= this.#keysMax) this.#forgetOldest();
		this.#lines.set(key, { atMs: nowMs, omitted: 0 });
		return last?.omitted ?? 0;
	}

	#forgetOldest(): void {
		for (const key of this.#lines.keys()) {
			this.#lines.delete(key);
			return;
		}
	}
}
