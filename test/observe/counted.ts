import type { Counters } from "../../src/observe/counters.ts";
import { type HistogramTotal, type MetricTotal, Totals } from "../../src/observe/totals.ts";
import { Counted } from "../../src/sim/counted.ts";

/** What a thread has counted so far. */
export function counted(counters: Counters): Counted {
	return new Counted(Object.fromEntries(totalsOf(counters).map(({ name, total }) => [name, total])));
}

/** The counts of a metric with a label, by the label's values, without zeros. */
export function countedBy(counters: Counters, name: string): Record<string, number> {
	const by = totalsOf(counters).find((metric) => metric.name === name)?.by ?? null;
	if (by === null) throw new RangeError(`nothing counts ${name} by a label`);
	return Object.fromEntries(Object.entries(by.totals).filter(([, count]) => count > 0));
}

/** What a histogram of the thread has observed so far. */
export function observed(counters: Counters, name: string): HistogramTotal {
	const metric = totalsOf(counters).find((one) => one.name === name);
	if (metric?.kind !== "histogram") throw new RangeError(`there is no histogram ${name}`);
	return metric;
}

function totalsOf(counters: Counters): MetricTotal[] {
	const totals = new Totals();
	totals.include(counters.share());
	return totals.read();
}
