import { fullName } from "../../src/http/metrics.ts";
import { READINGS } from "../../src/monitor/readings.ts";
import type { MetricKind } from "../../src/observe/metric.ts";
import { declaredMetrics } from "../docs/metrics-table.ts";

/** A metric of `/metrics`, with its full name. */
export interface KnownMetric {
	name: string;
	kind: MetricKind;
	labels: readonly string[];
}

/** Every metric that `/metrics` can have. */
export async function knownMetrics(): Promise<KnownMetric[]> {
	const counted = (await declaredMetrics()).map(({ name, kind, label }) => ({
		name: fullName(name),
		kind,
		labels: label === null ? [] : [label.name],
	}));
	return [...counted, ...READINGS.map(({ name, kind, labels }) => ({ name, kind, labels: Object.keys(labels) }))];
}

/** By their names, every series that a metric has: a histogram has several. */
export function seriesOf(metrics: readonly KnownMetric[]): Map<string, KnownMetric> {
	return new Map(
		metrics.flatMap((metric) => {
			const ends = metric.kind === "histogram" ? ["", "_bucket", "_sum", "_count"] : [""];
			return ends.map((end): [string, KnownMetric] => [metric.name + end, metric]);
		}),
	);
}
