import type { Figures } from "../monitor/figures.ts";
import type { Distribution, Totals } from "../observe/totals.ts";

/** The metrics that the dashboard shows, by their names without the prefix. A test compares them with those that threads declare. */
export const SHOWN_METRICS = {
	received: "frames_received_total",
	sequenced: "messages_accepted_total",
	delivered: "frames_sent_total",
	rejected: "messages_rejected_total",
	latency: "host_to_consumer_seconds",
	hostsKnown: "hosts_known",
	hostsConnected: "hosts_connected",
	hostsDelayed: "delayed_hosts",
	consumers: "consumers_connected",
	consumersTooSlow: "consumers_too_slow_total",
	logGaps: "log_gaps_total",
	logBytes: "log_size_bytes",
	logAgeS: "log_oldest_age_seconds",
	diskFreeBytes: "log_disk_free_bytes",
} as const;

/** All that the dashboard measures, at one moment. Counts are of all threads since the start. */
export interface Reading {
	/** Unix ms, by a clock that never goes back. */
	atMs: number;
	received: number;
	sequenced: number;
	delivered: number;
	/** By reason; only those above zero. */
	rejected: Readonly<Record<string, number>>;
	latency: Latency;
	hostsKnown: number;
	hostsConnected: number;
	hostsDelayed: number;
	consumers: number;
	consumersTooSlow: number;
	logGaps: number;
	lastSeq: number;
	/** Records that the index has not applied yet. */
	indexLag: number;
	/** Of the log's segments. */
	logBytes: number;
	/** Of the oldest message that can be replayed. */
	logAgeS: number;
	/** Of the log's disk; null if that is not known yet. */
	diskFreeBytes: number | null;
	/** How much of it is to stay free. */
	diskReserveBytes: number;
	residentBytes: number;
	/** The parts of it: what is mapped from files, and the threads' heaps as of the last seconds. */
	fileBytes: number;
	heapBytes: number;
	hostsOffline: number;
	/** What is wrong with the relay, in words; null if nothing is. */
	fault: string | null;
	isServing: boolean;
}

/** How long messages took, so far: how many took at most so many seconds, and in the end how many there were. */
export interface Latency {
	boundsS: readonly number[];
	upTo: readonly number[];
}

/** What a reading has beside metrics and figures. */
export type ReadingRest = Pick<Reading, "atMs" | "fault" | "isServing">;

/** Before a thread is ready, its metrics are zero. */
export function readingOf(totals: Pick<Totals, "metric">, figures: Figures, rest: ReadingRest): Reading {
	const total = (name: keyof typeof SHOWN_METRICS): number => totals.metric(SHOWN_METRICS[name])?.total ?? 0;
	const { log, process, threads, hosts, limits } = figures;
	return {
		...rest,
		received: total("received"),
		sequenced: total("sequenced"),
		delivered: total("delivered"),
		rejected: nonZero(totals.metric(SHOWN_METRICS.rejected)?.by?.totals ?? {}),
		latency: latencyOf(totals),
		hostsKnown: total("hostsKnown"),
		hostsConnected: total("hostsConnected"),
		hostsDelayed: total("hostsDelayed"),
		hostsOffline: hosts.offline,
		consumers: total("consumers"),
		consumersTooSlow: total("consumersTooSlow"),
		logGaps: total("logGaps"),
		lastSeq: log.lastSeq,
		indexLag: Math.max(log.lastLsn - log.appliedLsn, 0),
		logBytes: total("logBytes"),
		logAgeS: total("logAgeS"),
		// No disk that a log is written to has none free.
		diskFreeBytes: total("diskFreeBytes") || null,
		diskReserveBytes: limits.diskReserveBytes,
		residentBytes: process.rssBytes,
		fileBytes: process.fileBytes,
		heapBytes: Object.values(threads).reduce((sum, { heapBytes }) => sum + heapBytes, 0),
	};
}

function nonZero(totals: Readonly<Record<string, number>>): Record<string, number> {
	return Object.fromEntries(Object.entries(totals).filter(([, count]) => count > 0));
}

function latencyOf(totals: Pick<Totals, "metric">): Latency {
	const metric = totals.metric(SHOWN_METRICS.latency);
	const [only]: readonly Distribution[] = metric?.kind === "histogram" ? metric.distributions : [];
	return metric?.kind === "histogram" && only !== undefined
		? { boundsS: metric.bounds, upTo: only.upTo }
		: { boundsS: [], upTo: [] };
}
