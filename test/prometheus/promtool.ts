import { join, resolve } from "node:path";
import * as v from "valibot";
import { temporaryDirectory } from "../log/harness.ts";
import type { AlertCase } from "./alert-cases.ts";

/** Relative to the repository's root. */
export const RULES_PATH = resolve(import.meta.dir, "../../k8s/monitoring/rules.yaml");

const text = v.pipe(v.string(), v.minLength(20));
const alertRule = v.strictObject({
	alert: v.pipe(v.string(), v.regex(/^Standpipe[A-Z][A-Za-z]+$/)),
	expr: v.string(),
	for: v.optional(v.string()),
	labels: v.strictObject({ severity: v.picklist(["critical", "warning", "info"]) }),
	annotations: v.strictObject({ summary: text, runbook: text }),
});
const ruleFile = v.strictObject({ groups: v.array(v.strictObject({ name: v.string(), rules: v.array(alertRule) })) });

export type AlertRule = v.InferOutput<typeof alertRule>;

/** The alerts of the relay. @throws if one has no summary, no runbook or no severity */
export async function alertRules(): Promise<AlertRule[]> {
	const { groups } = v.parse(ruleFile, Bun.YAML.parse(await Bun.file(RULES_PATH).text()));
	return groups.flatMap(({ rules }) => rules);
}

/** The metrics that an expression or a text names. */
export function metricsIn(words: string): string[] {
	return words.match(/\b(standpipe|process)_[a-z0-9_]+/g) ?? [];
}

/** Runs Prometheus's own tool. Returns its exit code and all that it says. */
export async function promtool(args: readonly string[], input = ""): Promise<{ code: number; said: string }> {
	const child = Bun.spawn(["promtool", ...args], { stdin: new Blob([input]), stdout: "pipe", stderr: "pipe" });
	const said = (await Promise.all([child.stdout.text(), child.stderr.text()])).join("");
	return { code: await child.exited, said };
}

const TARGET = { job: "standpipe", instance: "relay:2471" };

/** Has promtool say whether alerts fire as the cases want. Texts for people are left out: their values need not be repeated here. */
export async function testRules(rules: readonly AlertRule[], cases: readonly AlertCase[]) {
	const directory = temporaryDirectory();
	// By interval, each with the rules that its cases need: promtool tries all rules that it is given, at all times.
	const groups = Map.groupBy(cases, ({ interval = "1m" }) => interval);
	const files = await Promise.all(
		[...groups].map(async ([interval, ofInterval]) => {
			const bare = rules
				.filter(({ alert }) => ofInterval.some((one) => one.alert === alert))
				.map(({ annotations: _, ...rule }) => rule);
			const rulesFile = `rules-${interval}.json`;
			await Bun.write(join(directory, rulesFile), JSON.stringify({ groups: [{ name: "standpipe", rules: bare }] }));
			const tests = ofInterval.flatMap((one) => [testOf(rules, one, "fires"), testOf(rules, one, "quiet")]);
			const file = join(directory, `tests-${interval}.json`);
			await Bun.write(file, JSON.stringify({ rule_files: [rulesFile], evaluation_interval: interval, tests }));
			return file;
		}),
	);
	return promtool(["test", "rules", ...files]);
}

function testOf(rules: readonly AlertRule[], one: AlertCase, series: "fires" | "quiet"): object {
	const { alert, interval = "1m", at, labels = {}, isSum = false } = one;
	const severity = rules.find((rule) => rule.alert === alert)?.labels.severity;
	const { job: _, ...instance } = TARGET;
	const alerts = series === "fires" ? [{ exp_labels: { severity, ...(isSum ? instance : TARGET), ...labels } }] : [];
	return {
		interval,
		input_series: Object.entries(one[series]).map(([name, values]) => ({ series: withTarget(name), values })),
		alert_rule_test: [{ alertname: alert, eval_time: at, exp_alerts: alerts }],
	};
}

/** The series of a metric with the labels that Prometheus adds. */
function withTarget(series: string): string {
	const own = Object.entries(TARGET).map(([name, value]) => `${name}="${value}"`);
	const [name = "", labels = ""] = series.split(/[{}]/);
	return `${name}{${[labels, ...own].filter((label) => label !== "").join(",")}}`;
}
