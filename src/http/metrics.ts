import { Counter, Gauge, Registry } from "prom-client";
import type { MetricTotal } from "../observe/totals.ts";

export interface LogPosition {
	firstSeq: number;
	lastSeq: number;
	/** Seq of the last record that the index has applied. */
	appliedSeq: number;
}

/** All that is measured, at one moment. */
export interface Measurements {
	/** What threads count. */
	totals: readonly MetricTotal[];
	log: LogPosition;
	rssBytes: number;
	openFiles: { open: number; max: number };
}

/** A gauge of the whole process: no thread counts it. */
interface ProcessGauge {
	/** Its whole name. */
	name: string;
	help: string;
	read: (measurements: Measurements) => number;
}

export const PROCESS_GAUGES: readonly ProcessGauge[] = [
	{
		name: "standpipe_log_first_seq",
		help: "seq of the oldest record retained",
		read: ({ log }) => log.firstSeq,
	},
	{
		name: "standpipe_log_last_seq",
		help: "seq of the newest record published",
		read: ({ log }) => log.lastSeq,
	},
	{
		name: "standpipe_index_applied_seq",
		help: "seq of the last record applied to the index",
		read: ({ log }) => log.appliedSeq,
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

/** How a metric that threads count is called in `/metrics`. */
export function fullName(name: string): string {
	return `standpipe_${name}`;
}

/** Of what `renderMetrics` returns. */
export const METRICS_CONTENT_TYPE = Registry.PROMETHEUS_CONTENT_TYPE;

/** Writes measurements in the text format of Prometheus. */
export function renderMetrics(measurements: Measurements): Promise<string> {
	const registry = new Registry();
	const registers = [registry];
	const addGauge = (name: string, help: string, value: number): void => new Gauge({ name, help, registers }).set(value);
	for (const { name: ownName, help, kind, total, by } of measurements.totals) {
		const name = fullName(ownName);
		if (kind === "gauge") {
			addGauge(name, help, total);
		} else if (by === null) {
			new Counter({ name, help, registers }).inc(total);
		} else {
			const counter = new Counter({ name, help, labelNames: [by.label], registers });
			for (const [value, count] of Object.entries(by.totals)) counter.inc({ [by.label]: value }, count);
		}
	}
	for (const { name, help, read } of PROCESS_GAUGES) addGauge(name, help, read(measurements));
	return registry.metrics();
}
