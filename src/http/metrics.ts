import { AggregatorRegistry, Counter, Gauge, Registry } from "prom-client";
import { helpLine } from "../observe/metric.ts";
import type { HistogramTotal, MetricTotal, NumberTotal } from "../observe/totals.ts";

/** How far the log is: what consumers see by seq, its records by lsn. */
export interface LogPosition {
	firstSeq: number;
	lastSeq: number;
	lastLsn: number;
	/** Of the last record that the index has applied. */
	appliedLsn: number;
}

/** All measurements at one moment. */
export interface Measurements {
	/** The threads' counters. */
	totals: readonly MetricTotal[];
	log: LogPosition;
	rssBytes: number;
	openFiles: { open: number; max: number };
}

/** A gauge of the whole process, which no thread counts. */
interface ProcessGauge {
	/** Its name in `/metrics`. */
	name: string;
	help: string;
	/** What the operator does when it looks wrong. */
	advice: string;
	read: (measurements: Measurements) => number;
}

export const PROCESS_GAUGES: readonly ProcessGauge[] = [
	{
		name: "standpipe_log_first_seq",
		help: "seq of the oldest message retained",
		advice: "If it rises faster than `RELAY_REPLAY_WINDOW` says, the disk or `RELAY_REPLAY_BYTES` is too small.",
		read: ({ log }) => log.firstSeq,
	},
	{
		name: "standpipe_log_last_seq",
		help: "seq of the newest message published",
		advice: "If it stops, look at `standpipe_hosts_connected`, then at `standpipe_log_stalled`.",
		read: ({ log }) => log.lastSeq,
	},
	{
		name: "standpipe_log_last_lsn",
		help: "lsn of the newest record published",
		advice: "If it stops, look at `standpipe_hosts_connected`, then at `standpipe_log_stalled`.",
		read: ({ log }) => log.lastLsn,
	},
	{
		name: "standpipe_index_applied_lsn",
		help: "lsn of the last record applied to the index",
		advice: "If it falls behind `standpipe_log_last_lsn`, look at the database: the index is behind by the difference.",
		read: ({ log }) => log.appliedLsn,
	},
	{
		name: "process_resident_memory_bytes",
		help: "resident memory of the process",
		advice: "If it grows for days, compare it with the threads' memory in `/_stats`, and report it.",
		read: ({ rssBytes }) => rssBytes,
	},
	{
		name: "process_open_fds",
		help: "open descriptors of the process",
		advice: "If it nears `process_max_fds`, raise the limit (`LimitNOFILE`, `ulimit -n`) and restart the relay.",
		read: ({ openFiles }) => openFiles.open,
	},
	{
		name: "process_max_fds",
		help: "descriptors that the process may have open",
		advice: "If it is below 65536, raise it (`LimitNOFILE`, `ulimit -n`) before you add hosts and consumers.",
		read: ({ openFiles }) => openFiles.max,
	},
];

/** The name in `/metrics` of a metric that threads count. */
export function fullName(name: string): string {
	return `standpipe_${name}`;
}

/** Content type of what `renderMetrics` returns. */
export const METRICS_CONTENT_TYPE = Registry.PROMETHEUS_CONTENT_TYPE;

/** Writes measurements in the text format of Prometheus. */
export function renderMetrics(measurements: Measurements): Promise<string> {
	const registry = new Registry();
	const registers = [registry];
	const histograms: object[] = [];
	for (const metric of measurements.totals) {
		if (metric.kind === "histogram") histograms.push(histogramValues(metric));
		else addNumbers(registry, metric);
	}
	for (const { name, read, ...words } of PROCESS_GAUGES)
		new Gauge({ name, help: helpLine(words), registers }).set(read(measurements));
	return Registry.merge([registry, AggregatorRegistry.aggregate([histograms])]).metrics();
}

function addNumbers(registry: Registry, metric: NumberTotal): void {
	const { kind, total, by } = metric;
	const labelNames = by === null ? [] : [by.label];
	const options = { name: fullName(metric.name), help: helpLine(metric), labelNames, registers: [registry] };
	const target = kind === "gauge" ? new Gauge(options) : new Counter(options);
	if (by === null) target.inc(total);
	else for (const [value, count] of Object.entries(by.totals)) target.inc({ [by.label]: value }, count);
}

/**
 * A histogram as an object of the form that the library uses between processes. It is the only way to give it one that was
 * counted elsewhere.
 */
function histogramValues(metric: HistogramTotal): object {
	const { kind, bounds, by, distributions } = metric;
	const name = fullName(metric.name);
	const values = distributions.flatMap(({ of, upTo, sum }) => {
		const labels = by === null ? {} : { [by.label]: of };
		return [
			...upTo.map((value, at) => ({
				metricName: `${name}_bucket`,
				labels: { ...labels, le: leOf(bounds, at) },
				value,
			})),
			{ metricName: `${name}_sum`, labels, value: sum },
			{ metricName: `${name}_count`, labels, value: upTo.at(-1) ?? 0 },
		];
	});
	return { name, help: helpLine(metric), type: kind, aggregator: "sum", values };
}

/** The name of the bucket at this index: its greatest value. */
export function leOf(bounds: readonly number[], at: number): string {
	return String(bounds[at] ?? "+Inf");
}
