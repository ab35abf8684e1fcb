import { describe, expect, test } from "bun:test";
import { ALERT_CASES } from "./alert-cases.ts";
import { knownMetrics, seriesOf } from "./metrics.ts";
import { alertRules, metricsIn, promtool, RULES_PATH, testRules } from "./promtool.ts";

const rules = await alertRules();
const isThere = Bun.which("promtool") !== null;
const skipped = isThere ? "" : " (skipped: there is no promtool)";

describe("the alerts", () => {
	test("name only metrics that exist, in rules, texts and tests", async () => {
		const names = seriesOf(await knownMetrics());
		const named = [
			...rules.flatMap(({ expr, annotations }) => metricsIn(`${expr} ${annotations.summary} ${annotations.runbook}`)),
			...ALERT_CASES.flatMap(({ fires, quiet }) => Object.keys({ ...fires, ...quiet }).flatMap(metricsIn)),
		];
		expect(named.length).toBeGreaterThan(60);
		expect(named.filter((name) => !names.has(name))).toEqual([]);
	});

	test("each have a name of their own and a case", () => {
		const names = rules.map(({ alert }) => alert);
		expect(names.length).toBeGreaterThan(15);
		expect(new Set(ALERT_CASES.map(({ alert }) => alert))).toEqual(new Set(names));
		expect(new Set(names).size).toBe(names.length);
	});

	test.skipIf(!isThere)(`are rules that Prometheus takes${skipped}`, async () => {
		const { code, said } = await promtool(["check", "rules", RULES_PATH]);
		expect([code, said]).toEqual([0, expect.stringContaining(`${rules.length} rules found`)]);
	});

	test.skipIf(!isThere)(`fire if something is wrong, and not otherwise${skipped}`, async () => {
		expect(await testRules(rules, ALERT_CASES)).toEqual({ code: 0, said: expect.stringContaining("SUCCESS") });
	});

	test.skipIf(!isThere)(`are really tried: a case that expects the opposite fails${skipped}`, async () => {
		for (const one of ALERT_CASES.slice(0, 2)) {
			const { code } = await testRules(rules, [{ ...one, fires: one.quiet, quiet: one.fires }]);
			expect(code).toBe(1);
		}
	});
});
