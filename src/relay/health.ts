import { Health } from "../control/health.ts";
import type { Totals } from "../observe/totals.ts";
import { contain } from "../runtime/boundary.ts";

/** How often it is looked whether a thread waits for the index. Threads count it, and tell nobody. */
const LOOK_INTERVAL_MS = 1_000;

/** Notes whether a thread waits because it can't read the index. */
export function noteReads(health: Health, totals: Totals): void {
	health.areReadsStalled = totals.count("index_reads_stalled") > 0;
}

/**
 * Makes the health of a relay that starts, and keeps it.
 * @param stop aborted when the relay is to stop: from then on it is not ready
 */
export function watchHealth(totals: Totals, stop: AbortSignal | undefined): Health {
	const health = new Health();
	const note = (): void => noteReads(health, totals);
	setInterval(() => contain("the look at health", note), LOOK_INTERVAL_MS).unref();
	const drain = (): void => {
		health.isDraining = true;
	};
	if (stop?.aborted === true) drain();
	else stop?.addEventListener("abort", drain, { once: true });
	return health;
}
