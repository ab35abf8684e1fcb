import type { Counters } from "../observe/counters.ts";
import { counter } from "../observe/metric.ts";
import type { Doorbell } from "../runtime/doorbell.ts";
import { OnceATurn } from "../runtime/once-a-turn.ts";
import type { RingWriter } from "../runtime/ring.ts";
import { type Entry, entryBytes, writeEntry } from "./record/entry.ts";

const ringFull = counter("ring_full_total", "times a ring was full and its writer had to wait");

/** The worker's way to the sequencer: one ring, and the sequencer's doorbell. */
export class Handover {
	/** Number of this worker, by which others name its ring. */
	readonly ring: number;
	readonly #writer: RingWriter;
	readonly #sequencer: Doorbell;
	readonly #counters: Counters;
	readonly #flush = new OnceATurn(() => this.flush());

	constructor(ring: number, writer: RingWriter, sequencer: Doorbell, counters: Counters) {
		this.ring = ring;
		this.#writer = writer;
		this.#sequencer = sequencer;
		this.#counters = counters;
	}

	/** Position behind the last entry pushed. */
	get position(): number {
		return this.#writer.position;
	}

	/** Whether everything pushed so far is durable. */
	get settled(): boolean {
		return this.#writer.acknowledged() >= this.#writer.position;
	}

	/** How far the ring is durable. */
	acknowledged(): number {
		return this.#writer.acknowledged();
	}

	/** Hands an entry over. Returns the ring position behind it, or null while the ring is full: try again when rung. */
	push(entry: Entry): number | null {
		const target = this.#writer.reserve(entryBytes(entry));
		if (target === null) {
			this.#counters.add(ringFull);
			this.flush();
			return null;
		}
		writeEntry(target, entry);
		this.#flush.schedule();
		return this.#writer.position;
	}

	/** Makes what was pushed visible now. */
	flush(): void {
		if (this.#writer.publish()) this.#sequencer.ring();
	}
}
