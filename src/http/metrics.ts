import { Counter, Gauge, Registry } from "prom-client";
import { COUNTERS, type CounterName, type CounterSnapshot } from "../observe/counters.ts";
import type { RejectionReason } from "../protocol/reasons.ts";

export interface LogPosition {
	firstSeq: number;
	lastSeq: number;
	/** Seq of the last record that the index has applied. */
	appliedSeq: number;
}

/** All that is measured, at one moment. */
export interface Measurements extends CounterSnapshot {
	log: LogPosition;
	rssBytes: number;
	openFiles: { open: number; max: number };
}

/** Writes measurements in the text format of Prometheus. */
export interface Metrics {
	contentType: string;
	render(measurements: Measurements): Promise<string>;
}

/** Registers every metric once; each rendering sets them all from what is given. */
export function createMetrics(): Metrics {
	const registry = new Registry();
	const setters: ((measurements: Measurements) => void)[] = [];

	const addGauge = (name: string, help: string, value: (measurements: Measurements) => number): void => {
		const gauge = new Gauge({ name, help, registers: [registry] });
		setters.push((measurements) => gauge.set(value(measurements)));
	};
	const addCounter = (name: CounterName, help: string): void => {
		const counter = new Counter({ name: `standpipe_${name}`, help, registers: [registry] });
		setters.push(({ counters }) => {
			counter.reset();
			counter.inc(counters[name]);
		});
	};
	const addByReason = (
		name: string,
		help: string,
		counts: (measurements: Measurements) => Record<RejectionReason, number>,
	): void => {
		const counter = new Counter({ name, help, labelNames: ["reason"], registers: [registry] });
		setters.push((measurements) => {
			counter.reset();
			for (const [reason, count] of Object.entries(counts(measurements))) counter.inc({ reason }, count);
		});
	};

	for (const [name, help] of Object.entries(COUNTERS) as [CounterName, string][]) {
		if (name.endsWith("_total")) addCounter(name, help);
		else addGauge(`standpipe_${name}`, help, ({ counters }) => counters[name]);
	}
	addByReason("standpipe_messages_rejected_total", "messages dropped, by the rule they broke", (all) => all.rejected);
	addByReason(
		"standpipe_messages_lenient_total",
		"messages passed on that only the strict rules would have dropped, by the rule they broke",
		(all) => all.lenient,
	);
	addGauge("standpipe_log_first_seq", "seq of the oldest record retained", ({ log }) => log.firstSeq);
	addGauge("standpipe_log_last_seq", "seq of the newest record published", ({ log }) => log.lastSeq);
	addGauge("standpipe_index_applied_seq", "seq of the last record applied to the index", ({ log }) => log.appliedSeq);
	addGauge("process_resident_memory_bytes", "resident memory of the process", ({ rssBytes }) => rssBytes);
	addGauge("process_open_fds", "open descriptors of the process", ({ openFiles }) => openFiles.open);
	addGauge("process_max_fds", "descriptors that the process may have open", ({ openFiles }) => openFiles.max);

	return {
		contentType: registry.contentType,
		render(measurements) {
			for (const set of setters) set(measurements);
			return registry.metrics();
		},
	};
}
