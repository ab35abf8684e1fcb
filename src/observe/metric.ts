/**
 * What the relay counts. A metric is declared where it is counted, at the top of that file, and nothing else has to know it:
 *
 *     const framesIgnored = counter("frames_ignored_total", "frames with an op or type that we don't know, skipped");
 *
 * A thread has the metrics of the modules that it has loaded, so the same metric may have another cell in another thread.
 */

/** Cells that the metrics of one thread may take together. */
export const CELLS_MAX = 1_024;

/** A counter only grows. A gauge goes up and down; that of the process is the sum of its threads'. */
export type MetricKind = "counter" | "gauge";

/** What a metric is counted by, with each value that this can have. */
export interface MetricLabel<Value extends string = string> {
	name: string;
	values: readonly Value[];
}

/** A metric as its thread has declared it, in a form that can be sent to another thread. */
export interface Declaration {
	/** Its name in /metrics is `standpipe_` and this name. */
	name: string;
	/** What it means, in words for the operator. */
	help: string;
	kind: MetricKind;
	/** Null: it is one number. */
	label: MetricLabel | null;
	/** Its first cell in a row of the thread's. It has one cell for each value of its label, in their order. */
	cell: number;
}

/** One number of a row: what `Counters.add` takes. */
export interface Metric {
	readonly cell: number;
}

/** A metric that is counted by a label: one number for each of the label's values. */
export class LabelledMetric<Value extends string> {
	readonly #metrics: ReadonlyMap<string, Metric>;

	constructor(cell: number, values: readonly Value[]) {
		this.#metrics = new Map(values.map((value, at) => [value, { cell: cell + at }]));
	}

	/** @throws {RangeError} where the declaration has no such value */
	of(value: Value): Metric {
		const metric = this.#metrics.get(value);
		if (metric === undefined) throw new RangeError(`the metric has no value ${value}`);
		return metric;
	}
}

const NAME = /^[a-z][a-z0-9]*(_[a-z0-9]+)*$/;

const declared = new Map<string, Declaration>();
let cellsUsed = 0;

/**
 * Declares a number that only grows.
 *
 * @param name ends with `_total`
 * @param help what it means, in words for the operator
 * @param label where there is one number for each value of a label
 * @throws {RangeError} where the name is taken or malformed, the label has a value twice or none, or there are no cells left
 */
export function counter(name: string, help: string): Metric;
export function counter<Value extends string>(
	name: string,
	help: string,
	label: MetricLabel<Value>,
): LabelledMetric<Value>;
export function counter(name: string, help: string, label: MetricLabel | null = null): Metric | LabelledMetric<string> {
	if (!name.endsWith("_total")) throw new RangeError(`a counter's name ends with _total: ${name}`);
	const cell = declare(name, help, "counter", label);
	return label === null ? { cell } : new LabelledMetric(cell, label.values);
}

/**
 * Declares a number that goes up and down.
 *
 * @param name does not end with `_total`
 * @param help what it means, in words for the operator
 * @throws {RangeError} where the name is taken or malformed, or there are no cells left
 */
export function gauge(name: string, help: string): Metric {
	if (name.endsWith("_total")) throw new RangeError(`a gauge's name does not end with _total: ${name}`);
	return { cell: declare(name, help, "gauge", null) };
}

/** What this thread's modules have declared so far. */
export function declarations(): Declaration[] {
	return [...declared.values()];
}

/** Returns the metric's first cell. */
function declare(name: string, help: string, kind: MetricKind, label: MetricLabel | null): number {
	if (!NAME.test(name)) throw new RangeError(`not a metric's name: ${name}`);
	if (declared.has(name)) throw new RangeError(`the metric ${name} is declared twice`);
	const values = label?.values ?? [""];
	if (values.length === 0 || new Set(values).size < values.length)
		throw new RangeError(`the label of ${name} has a value twice, or none`);
	const cell = cellsUsed;
	if (cell + values.length > CELLS_MAX) throw new RangeError(`no cells are left for the metric ${name}`);
	cellsUsed += values.length;
	declared.set(name, { name, help, kind, label, cell });
	return cell;
}
