import { Counters } from "../observe/counters.ts";
import { Totals } from "../observe/totals.ts";

/** The counters of the process. */
export interface Counts {
	/** Those of the control thread. */
	own: Counters;
	/** Those of all threads together. A worker's are added when it is ready. */
	totals: Totals;
}

export function createCounts(): Counts {
	const own = new Counters();
	const totals = new Totals();
	totals.include(own.share());
	return { own, totals };
}
