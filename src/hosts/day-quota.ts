const DAY_MS = 24 * 60 * 60 * 1000;

/** Allows at most so many uses within any 24 hours. */
export class DayQuota {
	readonly #max: () => number;
	readonly #nowMs: () => number;
	/** Ascending. Longer than `#max` only if that was lowered. */
	#takenAtMs: number[] = [];

	/** @param max asked for each time, since it may change */
	constructor(max: () => number, nowMs: () => number) {
		this.#max = max;
		this.#nowMs = nowMs;
	}

	/** Takes one. False if none is left. */
	take(): boolean {
		const nowMs = this.#nowMs();
		this.#takenAtMs = this.#takenAtMs.filter((takenAtMs) => takenAtMs > nowMs - DAY_MS);
		if (this.#takenAtMs.length >= this.#max()) return false;
		this.#takenAtMs.push(nowMs);
		return true;
	}

	/** Milliseconds until one is left; 0 if one is, and a day if the quota is 0. */
	waitMs(): number {
		const [oldestMs] = this.#takenAtMs;
		if (this.#takenAtMs.length < this.#max()) return 0;
		return oldestMs === undefined ? DAY_MS : Math.max(0, oldestMs + DAY_MS - this.#nowMs());
	}

	/** Gives back the one that was taken last, which was not used. */
	giveBack(): void {
		this.#takenAtMs.pop();
	}
}
