import { CELLS_MAX, declarations, type Metric } from "./metric.ts";
import type { ThreadCounters } from "./totals.ts";

/**
 * What one thread counts: a row of numbers in shared memory. No other thread writes it, so no write is ever contended and
 * counting costs one store; the control thread sums the rows when somebody asks (`totals.ts`).
 */
export class Counters {
	readonly #row = new Float64Array(new SharedArrayBuffer(CELLS_MAX * Float64Array.BYTES_PER_ELEMENT));

	/** Only a gauge takes an amount below zero. */
	add({ cell }: Metric, amount = 1): void {
		this.#row[cell] = (this.#row[cell] ?? 0) + amount;
	}

	/** What the control thread needs, to add this thread's numbers to those of others. */
	share(): ThreadCounters {
		return { row: this.#row, metrics: declarations() };
	}
}
