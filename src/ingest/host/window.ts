import { type Outcome, REJECTED } from "../outcome.ts";

/** A message on its way: from its arrival until it is durable or rejected. */
interface Slot {
	/** The new low-water mark when the slot is passed; null if the mark stays. */
	seq: number | null;
	outcome: Outcome | null;
	/** When it passed the limits of its host. */
	passedAtMs: number;
}

/** A host with this many messages on their way is paused, however small they are. */
export const WINDOW_SLOTS_MAX = 262_144;

/**
 * The messages of one host in the order in which they came, and the low-water mark: the greatest upstream seq up to which each
 * message is durable in the log or finally rejected. Only the mark is stored as the host's cursor. So after a crash at any moment,
 * the host is asked again for everything that may be missing (invariant 4).
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

	/** Adds a message that has arrived. `settle` must be called with the slot that this returns, in any order. */
	arrive(seq: number): Slot {
		this.#lowWater ??= seq - 1;
		const slot: Slot = { seq, outcome: null, passedAtMs: 0 };
		this.#slots.push(slot);
		return slot;
	}

	/** Adds a message that has arrived and that needs nothing more. Such messages in a row take one place together. */
	skip(seq: number): void {
		const last = this.size === 0 ? undefined : this.#slots[this.#slots.length - 1];
		if (last?.outcome?.rejected === true && last.seq !== null) last.seq = seq;
		else this.arrive(seq).outcome = REJECTED;
	}

	/**
	 * Must be called when the host sends again from `seq` on: it repeats messages, or has restarted its numbering. The mark goes back
	 * to before `seq`, and messages that are still on their way don't move it further. So in either case the mark passes no message
	 * that is missing.
	 */
	fallBack(seq: number): void {
		const mark = seq - 1;
		if (this.#lowWater !== null) this.#lowWater = Math.min(this.#lowWater, mark);
		for (const slot of this.#open()) if (slot.seq !== null) slot.seq = Math.min(slot.seq, mark);
	}

	/** Follows the host from another cursor, or from its live end (null). Messages that are on their way no longer move the mark. */
	restart(cursor: number | null): void {
		this.#lowWater = cursor;
		for (const slot of this.#open()) slot.seq = null;
	}

	/**
	 * Gives up these messages: the mark never passes the first of them. It is settled like the others, and so are all that came after
	 * it, but they don't move the mark. Returns the seq after which to ask the host again.
	 */
	giveUp(slots: ReadonlySet<Slot>): number | null {
		let after = this.#lowWater;
		let isAfterFirst = false;
		for (const slot of this.#open()) {
			isAfterFirst ||= slots.has(slot);
			if (isAfterFirst) slot.seq = null;
			else after = slot.seq ?? after;
		}
		return after;
	}

	settle(slot: Slot, outcome: Outcome): void {
		slot.outcome = outcome;
	}

	/**
	 * Moves the low-water mark as far as possible and returns it.
	 *
	 * @param acknowledged the position up to which a worker's ring is durable: see `RingWriter.acknowledged`
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
