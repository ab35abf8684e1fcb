import type { Counters } from "../observe/counters.ts";
import { counter, histogram } from "../observe/metric.ts";
import type { Doorbell } from "../runtime/doorbell.ts";
import { OnceATurn } from "../runtime/once-a-turn.ts";
import type { RingWriter } from "../runtime/ring.ts";
import { type Entry, type EntryTimes, entryBytes, writeEntry } from "./record/entry.ts";

const ringFull = counter(
	"ring_full_total",
	"times a ring was full and its writer had to wait",
	"If it grows fast, the disk or a thread is slower than what comes: look at `standpipe_log_sync_seconds` and at the processor.",
);
const messageDurableSeconds = histogram(
	"message_durable_seconds",
	"how long a message took from its arrival at the thread of its DID until it was durable; each thread times one at a time",
	"If p99 is above a second, look at `standpipe_log_sync_seconds` first, then at the processor and at the PLC directory.",
	[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
);

/** Hands the entries of one ingest worker to the sequencer: through the worker's ring, and with the sequencer's doorbell. */
export class Handover {
	/** Number of this worker, and of its ring. */
	readonly ring: number;
	readonly #writer: RingWriter;
	readonly #sequencer: Doorbell;
	readonly #counters: Counters;
	/** Ring position after the entry that is being timed; null if none is. */
	#timedPosition: number | null = null;
	#timedSinceMs = 0;
	readonly #flush = new OnceATurn(() => this.flush());

	constructor(ring: number, writer: RingWriter, sequencer: Doorbell, counters: Counters) {
		this.ring = ring;
		this.#writer = writer;
		this.#sequencer = sequencer;
		this.#counters = counters;
	}

	/** Ring position after the last entry pushed. */
	get position(): number {
		return this.#writer.position;
	}

	/** Whether everything pushed so far is durable. */
	get settled(): boolean {
		return this.#writer.acknowledged() >= this.#writer.position;
	}

	/** Ring position up to which everything is durable. */
	acknowledged(): number {
		return this.#writer.acknowledged();
	}

	/**
	 * Hands an entry over. Returns the ring position after it. Null if the ring is full: try again when the sequencer rings.
	 *
	 * @param times of a message that came from a host
	 */
	push(entry: Entry, times?: EntryTimes): number | null {
		const target = this.#writer.reserve(entryBytes(entry));
		if (target === null) {
			this.#counters.add(ringFull);
			this.flush();
			return null;
		}
		writeEntry(target, entry, times);
		this.#flush.schedule();
		return this.#writer.position;
	}

	/**
	 * Times the entry that was pushed last, until it is durable. One entry is timed at a time. If one is, this does nothing, so it
	 * may be called for each entry.
	 *
	 * @param sinceMs when the time begins, by the monotonic clock
	 */
	time(sinceMs: number): void {
		if (this.#timedPosition !== null) return;
		this.#timedPosition = this.#writer.position;
		this.#timedSinceMs = sinceMs;
	}

	/** Ends the timing if the entry has become durable. Call it whenever the sequencer has rung. */
	noteDurable(nowMs = performance.now()): void {
		if (this.#timedPosition === null || this.#writer.acknowledged() < this.#timedPosition) return;
		this.#timedPosition = null;
		this.#counters.observe(messageDurableSeconds, (nowMs - this.#timedSinceMs) / 1000);
	}

	/** Makes what was pushed visible to the sequencer now. */
	flush(): void {
		if (this.#writer.publish()) this.#sequencer.ring();
	}
}
