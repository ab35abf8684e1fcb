import { RecentMap } from "../runtime/recent-map.ts";

/**
 * When something was last done to each DID, for a bounded number of DIDs. What it forgets errs on one side only: a forgotten DID
 * counts as done at the time of the last one forgotten, which is never too early.
 */
export class LastTimes {
	readonly #timesMs: RecentMap<string, number>;
	#forgottenMs = Number.NEGATIVE_INFINITY;

	constructor(entriesMax: number) {
		this.#timesMs = new RecentMap({
			entriesMax,
			onForgotten: (_did, timeMs) => {
				this.#forgottenMs = Math.max(this.#forgottenMs, timeMs);
			},
		});
	}

	/** When it was last done to this DID, or later; minus infinity where it never was. */
	get(did: string): number {
		return this.#timesMs.peek(did) ?? this.#forgottenMs;
	}

	/** Notes that it was done. */
	set(did: string, timeMs: number): void {
		this.#timesMs.set(did, timeMs);
	}
}
