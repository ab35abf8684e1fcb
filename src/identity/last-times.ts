/**
 * When something was last done to each DID, for a bounded number of DIDs. What it forgets errs on one side only: a forgotten DID
 * counts as done at the time of the last one forgotten, which is never too early.
 */
export class LastTimes {
	readonly #timesMs = new Map<string, number>();
	readonly #entriesMax: number;
	#forgottenMs = Number.NEGATIVE_INFINITY;

	constructor(entriesMax: number) {
		this.#entriesMax = entriesMax;
	}

	/** When it was last done to this DID, or later; minus infinity where it never was. */
	get(did: string): number {
		return this.#timesMs.get(did) ?? this.#forgottenMs;
	}

	/** Notes that it was done. */
	set(did: string, timeMs: number): void {
		this.#timesMs.delete(did);
		this.#timesMs.set(did, timeMs);
		if (this.#timesMs.size <= this.#entriesMax) return;
		const [oldest] = this.#timesMs;
		if (oldest === undefined) return;
		this.#timesMs.delete(oldest[0]);
		this.#forgottenMs = Math.max(this.#forgottenMs, oldest[1]);
	}
}
