// observe/: what the relay says about itself, in log lines and metrics. It decides nothing.

/**
 * What the relay counts. A metric is declared where it is counted, at the top of that file, and nothing else has to know it:
 *
 *     const framesIgnored = counter(
 *     	"frames_ignored_total",
 *     	"frames with an op or type that we don't know, skipped",
 *     	"If it grows, look for an update of the relay.",
 *     );
 *
 * A thread has the metrics of the modules that it has loaded, so the same metric may have another cell in another thread.
 */

/** Cells that the metrics of one thread may take together. */
export const CELLS_MAX = 1_024;
/** Bounds that a histogram may have. */
export const BOUNDS_MAX = 32;

/** Bounds for how long a message took, in seconds: from a tenth of a millisecond to five minutes. */
export const LATENCY_BOUNDS_S = [
	0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300,
] as const;

/** A label by which a metric is counted, with all values that the label can have. */
export interface MetricLabel<Value extends string = string> {
	name: string;
	values: readonly Value[];
}

interface Declared {
	/** Its name in /metrics is `standpipe_` and this name. */
	name: string;
	/** What it means, in words for the operator, without a period at its end. */
	help: string;
	/** What the operator does when it looks wrong: whole sentences. */
	advice: string;
	/** Null if it is counted without a label. */
	label: MetricLabel | null;
	/** Its first cell in the thread's row. Each value of its label has `cellsEach` cells, in the order of the values. */
	cell: number;
}

/** A counter only grows. A gauge goes up and down; the process's gauge is the sum of its threads' gauges. */
export interface NumberDeclaration extends Declared {
	kind: "counter" | "gauge";
}

/** A histogram counts values by their size. */
export interface HistogramDeclaration extends Declared {
	kind: "histogram";
	/** The greatest value of each bucket but the last, which has all values above them. In rising order. */
	bounds: readonly number[];
}

/** A metric as its thread has declared it, in a form that can be sent to another thread. */
export type Declaration = NumberDeclaration | HistogramDeclaration;

export type MetricKind = Declaration["kind"];

/** One number of a row: what `Counters.add` takes. */
export interface Metric {
	readonly cell: number;
}

/** One histogram in a row: what `Counters.observe` takes. It has a cell for each bucket, then one for the sum of all values. */
export interface Histogram {
	readonly firstCell: number;
	readonly bounds: readonly number[];
}

/** A metric that is counted by a label: one number or histogram for each of the label's values. */
export class LabelledMetric<Value extends string, One = Metric> {
	readonly #metrics: ReadonlyMap<string, One>;

	/** @param make makes the metric of the label's value at this index */
	constructor(values: readonly Value[], make: (at: number) => One) {
		this.#metrics = new Map(values.map((value, at) => [value, make(at)]));
	}

	/** @throws {RangeError} if the declaration has no such value */
	of(value: Value): One {
		const metric = this.#metrics.get(value);
		if (metric === undefined) throw new RangeError(`the metric has no value ${value}`);
		return metric;
	}
}

const NAME = /^[a-z][a-z0-9]*(_[a-z0-9]+)*$/;
/** In one line, and the period comes after it in `/metrics`. */
const HELP = /^[^\n]*[^\n.\s]$/;
/** A sentence, or several: it begins with a capital or a label's value. */
const ADVICE = /^[A-Z`][^\n]*\.$/;

const declared = new Map<string, Declaration>();
let cellsUsed = 0;

/**
 * Declares a number that only grows.
 *
 * @param name ends with `_total`
 * @param help what it means, in words for the operator
 * @param advice what the operator does when it looks wrong
 * @param label given if there is one number for each value of a label
 * @throws {RangeError} if the name is taken or malformed, help or advice is not in its form, the label has a value twice or none, or there
 *   are no cells left
 */
export function counter(name: string, help: string, advice: string): Metric;
export function counter<Value extends string>(
	name: string,
	help: string,
	advice: string,
	label: MetricLabel<Value>,
): LabelledMetric<Value>;
export function counter(
	name: string,
	help: string,
	advice: string,
	label: MetricLabel | null = null,
): Metric | LabelledMetric<string> {
	if (!name.endsWith("_total")) throw new RangeError(`a counter's name ends with _total: ${name}`);
	return numbersOf({ name, help, advice, kind: "counter", label });
}

/**
 * Declares a number that goes up and down.
 *
 * @param name does not end with `_total`
 * @param help what it means, in words for the operator
 * @param advice what the operator does when it looks wrong
 * @param label given if there is one number for each value of a label
 * @throws {RangeError} as `counter` does
 */
export function gauge(name: string, help: string, advice: string): Metric;
export function gauge<Value extends string>(
	name: string,
	help: string,
	advice: string,
	label: MetricLabel<Value>,
): LabelledMetric<Value>;
export function gauge(
	name: string,
	help: string,
	advice: string,
	label: MetricLabel | null = null,
): Metric | LabelledMetric<string> {
	if (name.endsWith("_total")) throw new RangeError(`a gauge's name does not end with _total: ${name}`);
	return numbersOf({ name, help, advice, kind: "gauge", label });
}

/**
 * Declares a histogram: values, such as durations, counted by their size.
 *
 * @param name ends with the unit, such as `_seconds`
 * @param help what is measured, in words for the operator
 * @param advice what the operator does when it looks wrong
 * @param bounds the greatest value of each bucket but the last; at most `BOUNDS_MAX`, above zero, in rising order
 * @param label given if there is one histogram for each value of a label
 * @throws {RangeError} as `counter` does, or if the bounds break these rules
 */
export function histogram(name: string, help: string, advice: string, bounds: readonly number[]): Histogram;
export function histogram<Value extends string>(
	name: string,
	help: string,
	advice: string,
	bounds: readonly number[],
	label: MetricLabel<Value>,
): LabelledMetric<Value, Histogram>;
export function histogram(
	name: string,
	help: string,
	advice: string,
	bounds: readonly number[],
	label: MetricLabel | null = null,
): Histogram | LabelledMetric<string, Histogram> {
	// A histogram's own lines in /metrics have these endings.
	if (/_(total|bucket|count|sum)$/.test(name)) throw new RangeError(`a histogram's name ends with its unit: ${name}`);
	if (label?.name === "le") throw new RangeError(`the label le is for the bounds of ${name}`);
	if (bounds.length === 0 || bounds.length > BOUNDS_MAX || !areRising(bounds))
		throw new RangeError(`the bounds of ${name} are not 1 to ${BOUNDS_MAX} numbers above zero, in rising order`);
	const cell = declare({ name, help, advice, kind: "histogram", label, bounds });
	const make = (at: number): Histogram => ({ firstCell: cell + at * histogramCells(bounds), bounds });
	return label === null ? make(0) : new LabelledMetric(label.values, make);
}

/** How many cells each value of the metric's label has, or the metric itself if it has no label. */
export function cellsEach(metric: Undeclared): number {
	return metric.kind === "histogram" ? histogramCells(metric.bounds) : 1;
}

/** What this thread's modules have declared so far. */
export function declarations(): Declaration[] {
	return [...declared.values()];
}

/** What `/metrics` says of a metric: its meaning, then what to do. */
export function helpLine({ help, advice }: Pick<Declared, "help" | "advice">): string {
	return `${help}. ${advice}`;
}

type Undeclared = Omit<NumberDeclaration, "cell"> | Omit<HistogramDeclaration, "cell">;

function numbersOf(metric: Omit<NumberDeclaration, "cell">): Metric | LabelledMetric<string> {
	const cell = declare(metric);
	return metric.label === null ? { cell } : new LabelledMetric(metric.label.values, (at) => ({ cell: cell + at }));
}

/** Returns the metric's first cell. */
function declare(metric: Undeclared): number {
	const { name, help, advice, label } = metric;
	if (!NAME.test(name)) throw new RangeError(`not a metric's name: ${name}`);
	if (!HELP.test(help)) throw new RangeError(`the help of ${name} is empty or ends with a period`);
	if (!ADVICE.test(advice)) throw new RangeError(`the advice of ${name} is not a sentence`);
	if (declared.has(name)) throw new RangeError(`the metric ${name} is declared twice`);
	const values = label?.values ?? [""];
	if (values.length === 0 || new Set(values).size < values.length)
		throw new RangeError(`the label of ${name} has a value twice, or none`);
	const cell = cellsUsed;
	const cells = values.length * cellsEach(metric);
	if (cell + cells > CELLS_MAX) throw new RangeError(`no cells are left for the metric ${name}`);
	cellsUsed += cells;
	declared.set(name, { ...metric, cell });
	return cell;
}

/** One cell for each bucket, of which the last has no bound, and one for the sum. */
function histogramCells(bounds: readonly number[]): number {
	return bounds.length + 2;
}

function areRising(bounds: readonly number[]): boolean {
	return bounds.every((bound, at) => Number.isFinite(bound) && bound > (bounds[at - 1] ?? 0));
}
