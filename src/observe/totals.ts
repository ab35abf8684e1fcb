import { cellsEach, type Declaration, type HistogramDeclaration } from "./metric.ts";

/** What a thread counts: its row, which it alone writes, and the metrics in it. It can be sent to another thread. */
export interface ThreadCounters {
	/** In shared memory. */
	row: Float64Array;
	metrics: readonly Declaration[];
}

interface Total {
	name: string;
	help: string;
	advice: string;
	/** Over all values of its label, if it has one. For a histogram, how many values it has observed. */
	total: number;
	/** Null if it has no label. */
	by: { label: string; totals: Record<string, number> } | null;
}

/** The number of a counter or gauge over all threads. */
export interface NumberTotal extends Total {
	kind: "counter" | "gauge";
}

/** What a histogram has observed over all threads. */
export interface HistogramTotal extends Total {
	kind: "histogram";
	bounds: readonly number[];
	/** In the order of the label's values; one if there is no label. */
	distributions: readonly Distribution[];
}

/** The values that a histogram has observed. */
export interface Distribution {
	/** The label's value; null if there is no label. */
	of: string | null;
	/** How many values are at most each of the bounds, and in the end how many there are in all. */
	upTo: readonly number[];
	/** The sum of all values. */
	sum: number;
}

/** A metric over all threads. */
export type MetricTotal = NumberTotal | HistogramTotal;

interface Summed {
	declaration: Declaration;
	/** The metric's first cell, in the row of each thread that has it. */
	places: { row: Float64Array; cell: number }[];
}

/** Adds up what threads count, by name and label. A metric may be in another cell in each thread. */
export class Totals {
	readonly #metrics = new Map<string, Summed>();

	/** @throws {Error} if the thread declares a metric differently from a thread before it */
	include({ row, metrics }: ThreadCounters): void {
		for (const declaration of metrics) {
			const { name, cell } = declaration;
			const known = this.#metrics.get(name);
			if (known === undefined) this.#metrics.set(name, { declaration, places: [{ row, cell }] });
			else if (isSame(known.declaration, declaration)) known.places.push({ row, cell });
			else throw new Error(`two threads mean different metrics by ${name}`);
		}
	}

	/** A metric's number now, over all threads and values. @throws {RangeError} if no thread has declared it */
	count(name: string): number {
		const summed = this.#metrics.get(name);
		if (summed === undefined) throw new RangeError(`no thread counts ${name}`);
		return read(summed).total;
	}

	/** The number of one value of a metric's label. @throws {RangeError} if no thread has declared it */
	countOf(name: string, value: string): number {
		const summed = this.#metrics.get(name);
		const count = summed === undefined ? undefined : read(summed).by?.totals[value];
		if (count === undefined) throw new RangeError(`no thread counts ${name} of ${value}`);
		return count;
	}

	/** Whether a thread has declared a metric of this name: before the workers are ready, theirs are not known. */
	has(name: string): boolean {
		return this.#metrics.has(name);
	}

	/** A metric now; null if no thread has declared it, as before its thread is ready. */
	metric(name: string): MetricTotal | null {
		const summed = this.#metrics.get(name);
		return summed === undefined ? null : read(summed);
	}

	/** All metrics now, by name. A number that is being written may be its old or its new one. */
	read(): MetricTotal[] {
		return [...this.#metrics.values()].map(read).sort((a, b) => (a.name < b.name ? -1 : 1));
	}
}

function isSame(one: Declaration, other: Declaration): boolean {
	return Bun.deepEquals({ ...one, cell: 0 }, { ...other, cell: 0 });
}

function read({ declaration, places }: Summed): MetricTotal {
	const sumAt = (at: number): number => places.reduce((total, { row, cell }) => total + (row[cell + at] ?? 0), 0);
	if (declaration.kind === "histogram") return readHistogram(declaration, sumAt);
	const { kind } = declaration;
	const numbers = (declaration.label?.values ?? [""]).map((_, at) => sumAt(at));
	return { kind, ...totalOf(declaration, numbers) };
}

function readHistogram(declaration: HistogramDeclaration, sumAt: (at: number) => number): HistogramTotal {
	const { kind, bounds, label } = declaration;
	const distributions = (label?.values ?? [null]).map((of, index): Distribution => {
		const first = index * cellsEach(declaration);
		let count = 0;
		const upTo = Array.from({ length: bounds.length + 1 }, (_, bucket) => {
			count += sumAt(first + bucket);
			return count;
		});
		return { of, upTo, sum: sumAt(first + bounds.length + 1) };
	});
	const counts = distributions.map(({ upTo }) => upTo.at(-1) ?? 0);
	return { kind, bounds, distributions, ...totalOf(declaration, counts) };
}

/** @param numbers one for each value of the label */
function totalOf({ name, help, advice, label }: Declaration, numbers: readonly number[]): Total {
	const total = numbers.reduce((all, one) => all + one, 0);
	if (label === null) return { name, help, advice, total, by: null };
	const totals = Object.fromEntries(label.values.map((value, at) => [value, numbers[at] ?? 0]));
	return { name, help, advice, total, by: { label: label.name, totals } };
}
