import { Counters } from "../observe/counters.ts";
import { Totals } from "../observe/totals.ts";

/** What is counted. */
export interface Counts {
	/** By the control thread. */
	own: Counters;
	/** By all threads together: a worker is among them when it is ready. */
	totals: Totals;
}

export function createCounts(): Counts {
	const own = new Counters();
	const totals = new Totals();
	totals.include(own.share());
	return { own, totals };
}
