import { describe, expect, test } from "bun:test";
import { join, resolve } from "node:path";
import * as v from "valibot";
import { dashboard } from "../../k8s/monitoring/dashboard/dashboard.ts";
import { GENERATED_FILES, prometheusRule } from "../../k8s/monitoring/generated-files.ts";
import { Health } from "../../src/control/health.ts";
import { createInternalApp } from "../../src/http/internal.ts";
import { Counters } from "../../src/observe/counters.ts";
import { Totals } from "../../src/observe/totals.ts";
import { Rng } from "../../src/sim/rng.ts";
import { FIGURES } from "../monitor/figures.ts";
import { type DashboardQuery, readDashboard } from "../prometheus/dashboard.ts";
import { type KnownMetric, knownMetrics, seriesOf } from "../prometheus/metrics.ts";
import { metricsIn, RULES_PATH } from "../prometheus/promtool.ts";
import { findKustomize, render } from "./kustomize.ts";
import { configMap, ofKind, prometheusRules, service, serviceMonitor, statefulSet } from "./objects.ts";

const FOLDER = resolve(import.meta.dir, "../../k8s/monitoring");
/** `kubectl apply` keeps what it has applied in an annotation. Annotations may have 256 KiB together. */
const APPLIED_BYTES_MAX = 200_000;
const GRID_WIDTH = 24;

const kustomize = findKustomize();
const rules: unknown = Bun.YAML.parse(await Bun.file(RULES_PATH).text());
const { variables, panels, queries, placed } = await readDashboard();

test.each(GENERATED_FILES)("k8s/monitoring/$path is up to date; if it is not, run: make monitoring", async (file) => {
	expect(await Bun.file(join(FOLDER, file.path)).text()).toBe(await file.text());
});

test("a PrometheusRule of any rules has them as its spec, also if their texts have lines, comments and colons", () => {
	const rng = new Rng("rules");
	const parts = [
		"a: b",
		" # c",
		"  ",
		"\n",
		"\n\n",
		"two words",
		'"',
		"'",
		"{{ $value }}",
		"- ",
		"|",
		">-",
		"%",
		"\t",
		"é",
	];
	for (let round = 0; round < 200; round++) {
		const rules = Array.from({ length: 1 + rng.int(3) }, () => ({
			alert: "A",
			expr: Array.from({ length: 1 + rng.int(4) }, () => rng.pick(parts)).join(""),
			annotations: { summary: Array.from({ length: 1 + rng.int(6) }, () => rng.pick(parts)).join("") },
		}));
		const groups = [{ name: "standpipe", rules }];
		const written = `# A comment.\n${Bun.YAML.stringify({ groups }, null, 1 + rng.int(4))}\n`;
		expect(Bun.YAML.parse(written)).toEqual({ groups });
		expect(Bun.YAML.parse(prometheusRule(written))).toMatchObject({ kind: "PrometheusRule", spec: { groups } });
	}
});

describe.skipIf(typeof kustomize === "string")("the component k8s/monitoring", () => {
	const yaml = typeof kustomize === "string" ? "" : render(kustomize, "base", ["monitoring"]);

	test("has the rules of rules.yaml, and no other", () => {
		const [object, ...others] = ofKind(prometheusRules, "PrometheusRule", yaml);
		expect(object?.spec).toEqual(v.parse(prometheusRules.entries.spec, rules));
		expect(others).toEqual([]);
	});

	test("scrapes the internal port of the relay's pod, with the job and the path that there are", async () => {
		const [monitor, ...others] = ofKind(serviceMonitor, "ServiceMonitor", yaml);
		expect(others).toEqual([]);
		const { selector, endpoints, jobLabel } = monitor?.spec ?? { endpoints: [], jobLabel: "" };
		const chosen = ofKind(service, "Service", yaml).filter(({ metadata }) =>
			Object.entries(selector?.matchLabels ?? {}).every(([name, value]) => metadata.labels?.[name] === value),
		);
		const ports = chosen.flatMap(({ metadata, spec }) => spec.ports.map((port) => ({ ...port, metadata })));
		const scraped = ports.filter((port) => endpoints.some((endpoint) => endpoint.port === port.name));
		const [set] = ofKind(statefulSet, "StatefulSet", yaml);
		expect(scraped.map(({ metadata, targetPort }) => [metadata.name, targetPort])).toEqual([
			[set?.spec.serviceName ?? "", "internal"],
		]);
		// The alerts and the dashboard ask for this job.
		expect(scraped.map(({ metadata }) => metadata.labels?.[jobLabel])).toEqual(["standpipe"]);
		const app = createInternalApp({
			totals: new Totals(),
			counters: new Counters(),
			figures: () => FIGURES,
			threads: async () => ({}),
			health: new Health(),
		});
		for (const { path } of endpoints) expect((await app.request(path)).status).toBe(200);
	});

	test("gives an instance a name that stays when the pod starts anew", () => {
		const relabelings = ofKind(serviceMonitor, "ServiceMonitor", yaml).flatMap(({ spec }) =>
			spec.endpoints.flatMap((endpoint) => endpoint.relabelings),
		);
		expect(relabelings).toEqual([
			{
				sourceLabels: ["__meta_kubernetes_namespace", "__meta_kubernetes_pod_name"],
				separator: "/",
				targetLabel: "instance",
			},
		]);
	});

	test("has the dashboard in a ConfigMap that Grafana's sidecar finds, and kubectl can apply", () => {
		const maps = ofKind(configMap, "ConfigMap", yaml).filter(({ metadata }) => metadata.labels?.["grafana_dashboard"]);
		expect(maps.map(({ metadata }) => [metadata.name, metadata.labels?.["grafana_dashboard"]])).toEqual([
			["standpipe-dashboard", "1"],
		]);
		const [text, ...others] = Object.values(maps[0]?.data ?? {});
		expect(others).toEqual([]);
		expect(JSON.parse(text ?? "")).toEqual(JSON.parse(JSON.stringify(dashboard())));
		expect(JSON.stringify(maps[0]).length).toBeLessThan(APPLIED_BYTES_MAX);
	});
});

describe("the dashboard", async () => {
	const known = seriesOf(await knownMetrics());
	const metricsOf = ({ expr }: DashboardQuery): [string, KnownMetric | undefined][] =>
		metricsIn(expr).map((name) => [name, known.get(name)]);

	test("asks only for metrics that exist, and for no series twice in a panel", () => {
		expect(queries.length).toBeGreaterThan(80);
		const missing = queries.flatMap((query) => metricsOf(query).filter(([, metric]) => metric === undefined));
		expect(missing).toEqual([]);
		for (const panel of panels) {
			const exprs = panel.targets.map(({ expr }) => expr);
			expect([panel.title, new Set(exprs).size]).toEqual([panel.title, exprs.length]);
		}
	});

	test("takes rates of what only grows, and of nothing else", () => {
		for (const { expr } of queries) {
			const rated = [...expr.matchAll(/\b(?:rate|increase)\((\w+)\{/g)].map(([, name]) => name ?? "");
			const others = metricsIn(expr).filter((name) => !rated.includes(name));
			for (const name of rated) expect([name, known.get(name)?.kind]).not.toEqual([name, "gauge"]);
			for (const name of others) expect([name, known.get(name)?.kind]).toEqual([name, "gauge"]);
			for (const name of metricsIn(expr)) expect(name.endsWith("_bucket")).toBe(known.get(name)?.kind === "histogram");
		}
	});

	test("groups by labels that the metrics have, and names the series by them", () => {
		for (const query of queries) {
			const own = new Set(["instance", "le", ...metricsOf(query).flatMap(([, metric]) => metric?.labels ?? [])]);
			if (query.expr.includes("ALERTS")) own.add("alertname");
			const grouped = [...query.expr.matchAll(/\bby \(([\w, ]+)\)/g)].flatMap(([, list = ""]) => list.split(", "));
			expect([query.expr, grouped.filter((label) => !own.has(label))]).toEqual([query.expr, []]);
			const shown = [...query.legend.matchAll(/\{\{(\w+)\}\}/g)].map(([, label]) => label ?? "");
			// What is not summed has all labels of its metric.
			if (!/\b(?:sum|min|max)\b/.test(query.expr)) {
				expect([query.expr, shown.filter((label) => !own.has(label))]).toEqual([query.expr, []]);
				continue;
			}
			const splits = grouped.filter((label) => label !== "le" || query.legend.includes("{{le}}"));
			expect([query.expr, new Set(shown)]).toEqual([query.expr, new Set(splits)]);
		}
	});

	test("asks the data source and the relays that its reader has chosen", () => {
		expect(variables.map(({ name, type }) => [name, type])).toEqual([
			["datasource", "datasource"],
			["instance", "query"],
		]);
		for (const panel of panels) expect(panel.datasource).toEqual({ type: "prometheus", uid: "$datasource" });
		for (const query of queries)
			for (const [name] of metricsOf(query)) expect(query.expr).toContain(`${name}{instance=~"$instance"`);
	});

	test("has in each panel a title of its own, words, and queries with ids of their own", () => {
		const titles = panels.map(({ title }) => title);
		expect(new Set(titles).size).toBe(titles.length);
		for (const panel of panels) {
			expect(panel).toMatchObject({
				description: expect.stringMatching(/^\S.{10,}[.…]$/),
			});
			const ids = panel.targets.map(({ refId }) => refId);
			expect(ids).toEqual(ids.map((_, at) => String.fromCharCode("A".charCodeAt(0) + at)));
		}
	});

	test("shows bytes, seconds and rates in units of their own", () => {
		const units: [RegExp, string][] = [
			[/rate\(\w*_bytes_\w*total\{/, "binBps"],
			[/rate\(process_cpu_seconds_total\{/, "none"],
			[/increase\(\w+_seconds_bucket\{/, "s"],
			[/^histogram_quantile\(.*_seconds_bucket\{/, "s"],
			[/ \/ sum/, "percentunit"],
			[/rate\(/, "rate"],
			[/time\(\) - /, "dtdurations"],
			[/_bytes\{/, "bytes"],
			[/_seconds\{/, "s"],
		];
		const rates = ["mps", "ops", "cps", "reqps"];
		for (const { title, unit, targets } of panels) {
			for (const { expr } of targets) {
				const expected = units.find(([pattern]) => pattern.test(expr))?.[1] ?? "none";
				expect([title, expr, rates.includes(unit) ? "rate" : unit]).toEqual([title, expr, expected]);
			}
		}
	});

	test("fills its width, and no panel lies over another", () => {
		const taken = new Map<string, number>();
		for (const { gridPos } of placed) {
			const { x, y, w, h } = gridPos;
			expect(x + w).toBeLessThanOrEqual(GRID_WIDTH);
			for (let column = x; column < x + w; column++)
				for (let line = y; line < y + h; line++) {
					const cell = `${column} ${line}`;
					taken.set(cell, (taken.get(cell) ?? 0) + 1);
				}
		}
		expect(Math.max(...taken.values())).toBe(1);
		const lines = 1 + Math.max(...[...taken.keys()].map((cell) => Number(cell.split(" ")[1])));
		expect(taken.size).toBe(GRID_WIDTH * lines);
	});
});
