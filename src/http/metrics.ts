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

/** Of what `renderMetrics` returns. */
export const METRICS_CONTENT_TYPE = Registry.PROMETHEUS_CONTENT_TYPE;

/** Writes measurements in the text format of Prometheus. */
export function renderMetrics({ totals, log, rssBytes, openFiles }: Measurements): Promise<string> {
	const registry = new Registry();
	const registers = [registry];
	const addGauge = (name: string, help: string, value: number): void => new Gauge({ name, help, registers }).set(value);
	for (const { name: ownName, help, kind, total, by } of totals) {
		const name = `standpipe_${ownName}`;
		if (kind === "gauge") {
			addGauge(name, help, total);
		} else if (by === null) {
			new Counter({ name, help, registers }).inc(total);
		} else {
			const counter = new Counter({ name, help, labelNames: [by.label], registers });
			for (const [value, count] of Object.entries(by.totals)) counter.inc({ [by.label]: value }, count);
		}
	}
	addGauge("standpipe_log_first_seq", "seq of the oldest record retained", log.firstSeq);
	addGauge("standpipe_log_last_seq", "seq of the newest record published", log.lastSeq);
	addGauge("standpipe_index_applied_seq", "seq of the last record applied to the index", log.appliedSeq);
	addGauge("process_resident_memory_bytes", "resident memory of the process", rssBytes);
	addGauge("process_open_fds", "open descriptors of the process", openFiles.open);
	addGauge("process_max_fds", "descriptors that the process may have open", openFiles.max);
	return registry.metrics();
}
