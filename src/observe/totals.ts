import type { Declaration, MetricKind } from "./metric.ts";

/** What a thread counts: its row, which it alone writes, and the metrics in it. It can be sent to another thread. */
export interface ThreadCounters {
	/** In shared memory. */
	row: Float64Array;
	metrics: readonly Declaration[];
}

/** A metric's number over all threads. */
export interface MetricTotal {
	name: string;
	help: string;
	kind: MetricKind;
	/** Over all values of its label, where it has one. */
	total: number;
	/** Null: it is one number. */
	by: { label: string; totals: Record<string, number> } | null;
}

interface Summed {
	declaration: Declaration;
	/** Where the threads that know the metric have it. */
	places: { row: Float64Array; cell: number }[];
}

/** Adds up what threads count, by name and label, whatever order of metrics each of them has. */
export class Totals {
	readonly #metrics = new Map<string, Summed>();

	/** @throws {Error} where the thread means something else by a name than a thread before it */
	include({ row, metrics }: ThreadCounters): void {
		for (const declaration of metrics) {
			const { name, cell } = declaration;
			const known = this.#metrics.get(name);
			if (known === undefined) this.#metrics.set(name, { declaration, places: [{ row, cell }] });
			else if (isSame(known.declaration, declaration)) known.places.push({ row, cell });
			else throw new Error(`two threads mean different metrics by ${name}`);
		}
	}

	/** A metric's number now, over all threads and values. @throws {RangeError} where no thread has declared it */
	count(name: string): number {
		const summed = this.#metrics.get(name);
		if (summed === undefined) throw new RangeError(`no thread counts ${name}`);
		return read(summed).total;
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
	const { name, help, kind, label } = declaration;
	const sum = (at: number): number => places.reduce((total, { row, cell }) => total + (row[cell + at] ?? 0), 0);
	if (label === null) return { name, help, kind, total: sum(0), by: null };
	const totals = Object.fromEntries(label.values.map((value, at) => [value, sum(at)]));
	const total = Object.values(totals).reduce((all, one) => all + one, 0);
	return { name, help, kind, total, by: { label: label.name, totals } };
}
