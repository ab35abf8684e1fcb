import { AggregatorRegistry, Counter, Gauge, Registry } from "prom-client";
import type { HistogramTotal, MetricTotal } from "../observe/totals.ts";

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
	read: (measurements: Measurements) => number;
}

export const PROCESS_GAUGES: readonly ProcessGauge[] = [
	{
		name: "standpipe_log_first_seq",
		help: "seq of the oldest message retained",
		read: ({ log }) => log.firstSeq,
	},
	{
		name: "standpipe_log_last_seq",
		help: "seq of the newest message published",
		read: ({ log }) => log.lastSeq,
	},
	{
		name: "standpipe_log_last_lsn",
		help: "lsn of the newest record published",
		read: ({ log }) => log.lastLsn,
	},
	{
		name: "standpipe_index_applied_lsn",
		help: "lsn of the last record applied to the index",
		read: ({ log }) => log.appliedLsn,
	},
	{
		name: "process_resident_memory_bytes",
		help: "resident memory of the process",
		read: ({ rssBytes }) => rssBytes,
	},
	{
		name: "process_open_fds",
		help: "open descriptors of the process",
		read: ({ openFiles }) => openFiles.open,
	},
	{
		name: "process_max_fds",
		help: "descriptors that the process may have open",
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
	const addGauge = (name: string, help: string, value: number): void => new Gauge({ name, help, registers }).set(value);
	const histograms: object[] = [];
	for (const metric of measurements.totals) {
		const { help, total, by } = metric;
		const name = fullName(metric.name);
		if (metric.kind === "histogram") {
			histograms.push(histogramValues(metric));
		} else if (metric.kind === "gauge") {
			addGauge(name, help, total);
		} else if (by === null) {
			new Counter({ name, help, registers }).inc(total);
		} else {
			const counter = new Counter({ name, help, labelNames: [by.label], registers });
			for (const [value, count] of Object.entries(by.totals)) counter.inc({ [by.label]: value }, count);
		}
	}
	for (const { name, help, read } of PROCESS_GAUGES) addGauge(name, help, read(measurements));
	return Registry.merge([registry, AggregatorRegistry.aggregate([histograms])]).metrics();
}

/**
 * A histogram as an object of the form that the library uses between processes. It is the only way to give it one that was
 * counted elsewhere.
 */
function histogramValues({ name: ownName, help, kind, bounds, by, distributions }: HistogramTotal): object {
	const name = fullName(ownName);
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
	return { name, help, type: kind, aggregator: "sum", values };
}

/** The name of the bucket at this index: its greatest value. */
export function leOf(bounds: readonly number[], at: number): string {
	return String(bounds[at] ?? "+Inf");
}
