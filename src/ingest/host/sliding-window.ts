/** Slots that there is room for at first. A power of two. */
const FIRST_CAPACITY = 8;

/**
 * How many events there were in the last `windowMs`. An event counts from its own time on, until `windowMs` have passed.
 *
 * Each event has a slot as long as at most half of the slots are in use; then the count is exact. Beyond that, events within
 * `2 * windowMs / slotsMax` share a slot and count until the last of them has passed. So an event may count a little longer than
 * it should, by that time at most, and never shorter. Memory: at most 12 bytes for each slot, and less until they are needed.
 */
export class SlidingWindow {
	readonly #windowMs: number;
	readonly #slotsMax: number;
	/** A ring: the time of the last event in each slot, and how many are in it. */
	#timesMs: Float64Array;
	#counts: Uint32Array;
	#first = 0;
	#size = 0;
	#used = 0;
	/** The time of the first event in the last slot. */
	#lastSlotBeganMs = 0;

	/** @param slotsMax a power of two, at least 8 */
	constructor(windowMs: number, slotsMax: number) {
		this.#windowMs = windowMs;
		this.#slotsMax = slotsMax;
		this.#timesMs = new Float64Array(FIRST_CAPACITY);
		this.#counts = new Uint32Array(FIRST_CAPACITY);
	}

	/** Number of events in the window that ends now. Time must not go back between calls. */
	used(nowMs: number): number {
		while (this.#size > 0 && nowMs >= this.#time(0) + this.#windowMs) {
			this.#used -= this.#counts[this.#first] ?? 0;
			this.#first = (this.#first + 1) & (this.#timesMs.length - 1);
			this.#size--;
		}
		return this.#used;
	}

	/** Counts an event of now. */
	add(nowMs: number): void {
		this.used(nowMs);
		this.#used++;
		if (this.#size > 0 && this.#sharesLastSlot(nowMs)) {
			const last = this.#at(this.#size - 1);
			this.#timesMs[last] = nowMs;
			this.#counts[last] = (this.#counts[last] ?? 0) + 1;
			return;
		}
		if (this.#size === this.#timesMs.length) this.#grow();
		const next = this.#at(this.#size);
		this.#timesMs[next] = nowMs;
		this.#counts[next] = 1;
		this.#size++;
		this.#lastSlotBeganMs = nowMs;
	}

	/**
	 * Takes back an event that was counted at this time. No effect on an event that has passed out of the window, and on what is
	 * counted of the others.
	 */
	takeBack(atMs: number, nowMs: number): void {
		this.used(nowMs);
		if (this.#size === 0 || nowMs >= atMs + this.#windowMs) return;
		// Its slot is the first one that did not end before it.
		let slot = this.#size - 1;
		while (slot > 0 && this.#time(slot - 1) >= atMs) slot--;
		const at = this.#at(slot);
		const count = this.#counts[at] ?? 0;
		if (count === 0) return;
		this.#counts[at] = count - 1;
		this.#used--;
	}

	/** Slots in use, which the memory that it takes follows. */
	get slots(): number {
		return this.#size;
	}

	/** The earliest time at which the count may fall; infinite if there is nothing to count. */
	get fallsAtMs(): number {
		return this.#size === 0 ? Number.POSITIVE_INFINITY : this.#time(0) + this.#windowMs;
	}

	#sharesLastSlot(nowMs: number): boolean {
		if (nowMs === this.#time(this.#size - 1)) return true;
		if (this.#size < this.#slotsMax / 2) return false;
		return this.#size >= this.#slotsMax || nowMs - this.#lastSlotBeganMs < (2 * this.#windowMs) / this.#slotsMax;
	}

	/** The place of a slot, counted from the oldest one, in the ring. */
	#at(slot: number): number {
		return (this.#first + slot) & (this.#timesMs.length - 1);
	}

	#time(slot: number): number {
		return this.#timesMs[this.#at(slot)] ?? 0;
	}

	#grow(): void {
		const timesMs = new Float64Array(this.#timesMs.length * 2);
		const counts = new Uint32Array(this.#timesMs.length * 2);
		for (let slot = 0; slot < this.#size; slot++) {
			timesMs[slot] = this.#time(slot);
			counts[slot] = this.#counts[this.#at(slot)] ?? 0;
		}
		this.#timesMs = timesMs;
		this.#counts = counts;
		this.#first = 0;
	}
}
