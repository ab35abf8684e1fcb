import type { Latency, Reading } from "./reading.ts";

/** What happened between two readings, and how things were at the second. */
export interface Sample {
	/** Unix ms. */
	atMs: number;
	receivedPerS: number;
	sequencedPerS: number;
	deliveredPerS: number;
	/** By reason; only those above zero. */
	rejectedPerS: Readonly<Record<string, number>>;
	/** Null if no message was timed. */
	p50Ms: number | null;
	p99Ms: number | null;
	residentBytes: number;
	heapBytes: number;
	fileBytes: number;
	logBytes: number;
	diskFreeBytes: number | null;
}

/** @param before earlier than `after`, of the same process */
export function sampleBetween(before: Reading, after: Reading): Sample {
	const seconds = Math.max(after.atMs - before.atMs, 1) / 1000;
	const perS = (from: number, to: number): number => Math.max(to - from, 0) / seconds;
	const rejected = Object.entries(after.rejected)
		.map(([reason, count]): [string, number] => [reason, perS(before.rejected[reason] ?? 0, count)])
		.filter(([, rate]) => rate > 0);
	return {
		atMs: after.atMs,
		receivedPerS: perS(before.received, after.received),
		sequencedPerS: perS(before.sequenced, after.sequenced),
		deliveredPerS: perS(before.delivered, after.delivered),
		rejectedPerS: Object.fromEntries(rejected),
		p50Ms: quantileMs(before.latency, after.latency, 0.5),
		p99Ms: quantileMs(before.latency, after.latency, 0.99),
		residentBytes: after.residentBytes,
		heapBytes: after.heapBytes,
		fileBytes: after.fileBytes,
		logBytes: after.logBytes,
		diskFreeBytes: after.diskFreeBytes,
	};
}

/**
 * Below which time so many of the messages between two readings were. Within a bucket, times are taken to be spread evenly, as Prometheus
 * does. Null if there were no messages.
 *
 * @param share above 0, and at most 1
 */
export function quantileMs(before: Latency, after: Latency, share: number): number | null {
	const upTo = after.upTo.map((count, at) => count - (before.upTo[at] ?? 0));
	const count = upTo.at(-1) ?? 0;
	if (count <= 0) return null;
	const rank = share * count;
	const at = upTo.findIndex((number) => number >= rank);
	const highest = after.boundsS.at(-1) ?? 0;
	const upperS = after.boundsS[at] ?? highest;
	if (at >= after.boundsS.length) return 1000 * highest;
	const lowerS = after.boundsS[at - 1] ?? 0;
	const below = upTo[at - 1] ?? 0;
	const inBucket = (upTo[at] ?? 0) - below;
	return 1000 * (inBucket <= 0 ? upperS : lowerS + ((upperS - lowerS) * (rank - below)) / inBucket);
}

/** The names of the numbers in a row of `rowOf`, in their order. The page's script reads rows by them. */
export const COLUMNS = [
	"atMs",
	"receivedPerS",
	"sequencedPerS",
	"deliveredPerS",
	"p50Ms",
	"p99Ms",
	"residentBytes",
	"heapBytes",
	"fileBytes",
	"logBytes",
	"diskFreeBytes",
] as const satisfies readonly (keyof Sample)[];

/** A sample as a row of JSON: the numbers of `COLUMNS`, and then the rejections by reason. */
export function rowOf(sample: Sample): string {
	const round = (value: number | null): number | null => (value === null ? null : Math.round(value * 100) / 100);
	const rejected = Object.fromEntries(
		Object.entries(sample.rejectedPerS).map(([reason, perS]) => [reason, round(perS)]),
	);
	return JSON.stringify([...COLUMNS.map((name) => round(sample[name])), rejected]);
}
