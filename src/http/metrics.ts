import { AggregatorRegistry, Counter, Gauge, Registry } from "prom-client";
import type { Figures } from "../monitor/figures.ts";
import { type Reading, samplesOf } from "../monitor/reading.ts";
import { READINGS } from "../monitor/readings.ts";
import { helpLine } from "../observe/metric.ts";
import type { HistogramTotal, MetricTotal, NumberTotal } from "../observe/totals.ts";

/** All measurements at one moment. */
export interface Measurements {
	/** The threads' counters. */
	totals: readonly MetricTotal[];
	/** What no thread counts. */
	figures: Figures;
}

/** The name in `/metrics` of a metric that threads count. */
export function fullName(name: string): string {
	return `standpipe_${name}`;
}

/** Content type of what `renderMetrics` returns. */
export const METRICS_CONTENT_TYPE = Registry.PROMETHEUS_CONTENT_TYPE;

/** Writes measurements in the text format of Prometheus. */
export function renderMetrics({ totals, figures }: Measurements): Promise<string> {
	const registry = new Registry();
	const histograms: object[] = [];
	for (const metric of totals) {
		if (metric.kind === "histogram") histograms.push(histogramValues(metric));
		else addNumbers(registry, metric);
	}
	for (const reading of READINGS) addReading(registry, reading, figures);
	return Registry.merge([registry, AggregatorRegistry.aggregate([histograms])]).metrics();
}

function addNumbers(registry: Registry, metric: NumberTotal): void {
	const { kind, total, by } = metric;
	const labelNames = by === null ? [] : [by.label];
	const target = make(registry, kind, { name: fullName(metric.name), help: helpLine(metric), labelNames });
	if (by === null) target.inc(total);
	else for (const [value, count] of Object.entries(by.totals)) target.inc({ [by.label]: value }, count);
}

function addReading(registry: Registry, reading: Reading, figures: Figures): void {
	const samples = samplesOf(reading, figures);
	if (samples.length === 0) return;
	const { name, kind, labels } = reading;
	const target = make(registry, kind, { name, help: helpLine(reading), labelNames: Object.keys(labels) });
	for (const sample of samples) target.inc(sample.labels, sample.value);
}

function make(
	registry: Registry,
	kind: "counter" | "gauge",
	words: { name: string; help: string; labelNames: string[] },
): Counter | Gauge {
	const options = { ...words, registers: [registry] };
	return kind === "gauge" ? new Gauge(options) : new Counter(options);
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
