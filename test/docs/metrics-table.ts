import { fullName } from "../../src/http/metrics.ts";
import { READINGS } from "../../src/monitor/readings.ts";
import type { Declaration, MetricLabel } from "../../src/observe/metric.ts";
import { REJECTION_REASON_NAMES } from "../../src/protocol/reasons.ts";
import { markdownTable } from "./markdown-table.ts";

/** Every metric of `/metrics` as a Markdown table, by name. */
export async function metricsTable(): Promise<string> {
	const counted = (await declaredMetrics()).map((metric) => ({
		...metric,
		name: fullName(metric.name),
		labels: metric.label === null ? "" : labelText(metric.label),
	}));
	const ofProcess = READINGS.map(({ labels, ...metric }) => ({
		...metric,
		labels: Object.entries(labels)
			.map(([name, values]) => `\`${name}\`: ${values}`)
			.join("; "),
	}));
	const rows = [...counted, ...ofProcess].sort((a, b) => (a.name < b.name ? -1 : 1));
	return markdownTable(
		["metric", "type", "labels", "meaning", "what to do"],
		rows.map(({ name, kind, labels, help, advice }) => [`\`${name}\``, kind, labels, help, advice]),
	);
}

/** What all modules of the relay declare together. */
export async function declaredMetrics(): Promise<Declaration[]> {
	const child = Bun.spawn([process.execPath, new URL("./declared-metrics.ts", import.meta.url).pathname], {
		stdout: "pipe",
		stderr: "inherit",
	});
	const text = await child.stdout.text();
	if ((await child.exited) !== 0) throw new Error("the modules of the relay can't all be loaded");
	return JSON.parse(text) as Declaration[];
}

function labelText({ name, values }: MetricLabel): string {
	const areReasons = Bun.deepEquals(values, REJECTION_REASON_NAMES);
	const from = areReasons ? "see [reasons.md](reasons.md)" : values.map((value) => `\`${value}\``).join(", ");
	return `\`${name}\`: ${from}`;
}
