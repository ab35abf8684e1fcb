const LAG_MS_MAX = 60_000;

/** Times between the first relay that had a message and this one, to the millisecond. Longer ones count as a minute. */
export class Lags {
	readonly #counts = new Uint32Array(LAG_MS_MAX + 1);
	#total = 0;

	add(ms: number): void {
		const at = Math.min(Math.max(Math.round(ms), 0), LAG_MS_MAX);
		this.#counts[at] = (this.#counts[at] ?? 0) + 1;
		this.#total++;
	}

	/** The time in ms that this share of all does not exceed. Null if there is none at all. @param share above 0, up to 1 */
	quantile(share: number): number | null {
		let left = Math.ceil(this.#total * share);
		if (left === 0) return null;
		for (const [ms, count] of this.#counts.entries()) {
			left -= count;
			if (left <= 0) return ms;
		}
		return LAG_MS_MAX;
	}
}
