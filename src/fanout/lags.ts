import type { Counters } from "../observe/counters.ts";
import { gauge } from "../observe/metric.ts";

/** A thousand records are about a second of a busy network. */
const RECORDS = ["1", "100", "1000", "10000", "100000", "1000000"] as const;

const consumersBehind = gauge(
	"consumers_behind",
	"consumers that have at least so many records of the log still to be sent",
	"Those that replay are behind for a while. If many stay so, look at your network; `/admin/consumers/list` names them.",
	{ name: "records", values: RECORDS },
);

/** Counts the consumers by how far they are behind. @param lags the records that each of them has still to be sent */
export function noteLags(lags: Iterable<number>, counters: Counters): void {
	const counts = RECORDS.map(() => 0);
	for (const lag of lags) {
		for (const [at, records] of RECORDS.entries()) if (lag >= Number(records)) counts[at] = (counts[at] ?? 0) + 1;
	}
	for (const [at, records] of RECORDS.entries()) counters.set(consumersBehind.of(records), counts[at] ?? 0);
}
