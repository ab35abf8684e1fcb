/** What a consumer that is far behind has to take. */
export interface PaceFloor {
	bytesPerS: number;
	/** The time over which the rate is measured. */
	windowMs: number;
}

/** How fast a consumer takes what it is given, in one window after the other. */
export class Pace {
	readonly #floor: PaceFloor;
	#sinceMs: number;
	#takenBefore = 0;

	constructor(floor: PaceFloor, nowMs: number) {
		this.#floor = floor;
		this.#sinceMs = nowMs;
	}

	/** Begins a window anew: what was before it doesn't count. */
	restart(nowMs: number, takenBytes: number): void {
		this.#sinceMs = nowMs;
		this.#takenBefore = takenBytes;
	}

	/**
	 * Whether a window is over and less was taken in it than at the floor rate. A window that was fast enough is followed by
	 * the next.
	 *
	 * @param takenBytes all that was taken so far
	 */
	isTooSlow(nowMs: number, takenBytes: number): boolean {
		const elapsedMs = nowMs - this.#sinceMs;
		if (elapsedMs < this.#floor.windowMs) return false;
		if ((takenBytes - this.#takenBefore) * 1000 < this.#floor.bytesPerS * elapsedMs) return true;
		this.restart(nowMs, takenBytes);
		return false;
	}
}
