import { CELLS_MAX, declarations, type Histogram, type Metric } from "./metric.ts";
import type { ThreadCounters } from "./totals.ts";

/**
 * What one thread counts: a row of numbers in shared memory. No other thread writes it, so no write is ever contended and
 * counting costs a store or two; the control thread sums the rows when somebody asks (`totals.ts`).
 */
export class Counters {
	readonly #row = new Float64Array(new SharedArrayBuffer(CELLS_MAX * Float64Array.BYTES_PER_ELEMENT));

	/** Only a gauge takes an amount below zero. */
	add({ cell }: Metric, amount = 1): void {
		this.#addTo(cell, amount);
	}

	/** Sets a gauge to what this thread has of it. The process's gauge is the sum over its threads. */
	set({ cell }: Metric, value: number): void {
		this.#row[cell] = value;
	}

	/**
	 * Counts a value in its bucket, and adds it to the sum.
	 *
	 * @param value in the unit that the histogram's name ends with
	 * @throws {RangeError} if the value is negative, infinite or NaN: it would spoil the sum for good
	 */
	observe({ firstCell, bounds }: Histogram, value: number): void {
		if (!(value >= 0 && value < Number.POSITIVE_INFINITY)) throw new RangeError(`a histogram does not take ${value}`);
		let bucket = 0;
		while (bucket < bounds.length && value > (bounds[bucket] ?? 0)) bucket++;
		this.#addTo(firstCell + bucket, 1);
		this.#addTo(firstCell + bounds.length + 1, value);
	}

	/**
	 * Counts a duration in a histogram of seconds. If it ends before it begins, it counts as 0: the clocks of two threads may differ a little.
	 *
	 * @param beganMs as `endedMs`, in milliseconds of the same clock
	 */
	time(histogram: Histogram, beganMs: number, endedMs: number): void {
		this.observe(histogram, Math.max(endedMs - beganMs, 0) / 1000);
	}

	/** What the control thread needs to add this thread's numbers to those of other threads. */
	share(): ThreadCounters {
		return { row: this.#row, metrics: declarations() };
	}

	#addTo(cell: number, amount: number): void {
		this.#row[cell] = (this.#row[cell] ?? 0) + amount;
	}
}
