/** The rate at which a consumer that is far behind has to read. */
export interface PaceFloor {
	bytesPerS: number;
	/** The time over which the rate is measured. */
	windowMs: number;
}

/** Measures how fast a consumer takes what it is given, in one window after the other. */
export class Pace {
	readonly #floor: PaceFloor;
	#sinceMs: number;
	#takenBefore = 0;

	constructor(floor: PaceFloor, nowMs: number) {
		this.#floor = floor;
		this.#sinceMs = nowMs;
	}

	/** Begins a new window. What was taken before does not count in it. */
	restart(nowMs: number, takenBytes: number): void {
		this.#sinceMs = nowMs;
		this.#takenBefore = takenBytes;
	}

	/**
	 * Whether the window is over and the consumer was slower than the floor rate in it. If the window is over and it was fast enough,
	 * the next window begins.
	 *
	 * @param takenBytes all bytes that the consumer has taken so far
	 */
	isTooSlow(nowMs: number, takenBytes: number): boolean {
		const elapsedMs = nowMs - this.#sinceMs;
		if (elapsedMs < this.#floor.windowMs) return false;
		if ((takenBytes - this.#takenBefore) * 1000 < this.#floor.bytesPerS * elapsedMs) return true;
		this.restart(nowMs, takenBytes);
		return false;
	}
}
