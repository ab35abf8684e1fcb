import { RecentMap } from "../runtime/recent-map.ts";

/**
 * When something was last done for each DID, for a bounded number of DIDs. A forgotten DID counts as done at the latest time of
 * all forgotten ones. So the time may be too late, but never too early.
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

	/** When it was last done for this DID, or a later time; minus infinity if it never was. */
	get(did: string): number {
		return this.#timesMs.peek(did) ?? this.#forgottenMs;
	}

	/** Notes when it was done for this DID. */
	set(did: string, timeMs: number): void {
		this.#timesMs.set(did, timeMs);
	}
}
