import type { Outcome } from "../outcome.ts";

/** A message on its way: from its arrival until it is durable or rejected. */
interface Slot {
	/** What the mark becomes when the slot is passed; null: it stays. */
	seq: number | null;
	outcome: Outcome | null;
}

/** More messages than this on their way pause the host, however small they are. */
export const WINDOW_SLOTS_MAX = 262_144;

/**
 * The messages of one host in the order they came, and the low-water mark: the greatest upstream seq up to which each
 * message is durable in the log or finally rejected. Only that is stored as the host's cursor, so a crash at any moment
 * asks the host again for whatever may be missing (invariant 4).
 */
export class HostWindow {
	#slots: Slot[] = [];
	#first = 0;
	#lowWater: number | null;

	/** @param lowWater the host's stored cursor, or null for a host that never sent anything */
	constructor(lowWater: number | null) {
		this.#lowWater = lowWater;
	}

	/** Messages that are not yet below the low-water mark. */
	get size(): number {
		return this.#slots.length - this.#first;
	}

	/** Null until the host's first message ever has arrived, and after `restart(null)`. */
	get lowWater(): number | null {
		return this.#lowWater;
	}

	/** A message arrived. Call `settle` with what this returns, in any order. */
	arrive(seq: number): Slot {
		this.#lowWater ??= seq - 1;
		const slot: Slot = { seq, outcome: null };
		this.#slots.push(slot);
		return slot;
	}

	/**
	 * The host sends from `seq` on again: it repeats, or counts anew. The mark goes back in front of that, and what is still on
	 * its way moves it no further. So nothing is passed that is missing, in whichever numbering it is.
	 */
	fallBack(seq: number): void {
		const mark = seq - 1;
		if (this.#lowWater !== null) this.#lowWater = Math.min(this.#lowWater, mark);
		for (const slot of this.#open()) if (slot.seq !== null) slot.seq = Math.min(slot.seq, mark);
	}

	/** The host is to be followed from another cursor, or from its live end (null). What is on its way moves it no more. */
	restart(cursor: number | null): void {
		this.#lowWater = cursor;
		for (const slot of this.#open()) slot.seq = null;
	}

	settle(slot: Slot, outcome: Outcome): void {
		slot.outcome = outcome;
	}

	/**
	 * Moves the low-water mark as far as it goes and returns it.
	 *
	 * @param acknowledged how far a worker's ring is durable: see `RingWriter.acknowledged`
	 */
	advance(acknowledged: (ring: number) => number): number | null {
		for (let slot = this.#slots[this.#first]; slot !== undefined; slot = this.#slots[this.#first]) {
			const { outcome } = slot;
			if (outcome === null) break;
			if (!outcome.rejected && acknowledged(outcome.ring) < outcome.position) break;
			if (slot.seq !== null) this.#lowWater = slot.seq;
			this.#first++;
		}
		if (this.#first > 1024 && this.#first * 2 > this.#slots.length) {
			this.#slots = this.#slots.slice(this.#first);
			this.#first = 0;
		}
		return this.#lowWater;
	}

	#open(): Slot[] {
		return this.#slots.slice(this.#first);
	}
}

export type { Slot };
