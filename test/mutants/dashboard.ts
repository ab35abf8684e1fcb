import type { Mutant } from "./table.ts";

const APP = ["dashboard/app.test.ts"];
const PRIVATE = ["http/private.test.ts"];
const TABLES = ["dashboard/tables.test.ts"];
const LIVE = ["dashboard/live.test.ts"];
const SAMPLE = ["dashboard/sample.test.ts"];
const STATUS = ["dashboard/status.test.ts"];

/** Faults in what the dashboard shows, and to whom. */
export const DASHBOARD_MUTANTS: readonly Mutant[] = [
	{
		name: "the dashboard on the public port asks for what only the operator may know",
		file: "dashboard/app.ts",
		find: "return { admin: this.#isPrivate, ip: env.ip };",
		replace: "return { admin: true, ip: env.ip };",
		tests: APP,
	},
	{
		name: "strangers are told the addresses of consumers",
		file: "dashboard/consumer-table.ts",
		find: "rows: forOperator ? rows : rows.map(anonymous)",
		replace: "rows",
		tests: TABLES,
	},
	{
		name: "strangers are told what only the operator may know of a host",
		file: "dashboard/host-table.ts",
		find: "const told = reason(forOperator);",
		replace: "const told = reason(true);",
		tests: TABLES,
	},
	{
		name: "pages of other origins may read the dashboard",
		file: "dashboard/app.ts",
		find: "context.res.headers.delete(name);",
		replace: "context.res.headers.get(name);",
		tests: APP,
	},
	{
		name: "a page that has its own name lead to the operator's machine reads the dashboard",
		file: "http/own-name.ts",
		find: "if (name === undefined) return false;",
		replace: "if (name !== undefined) return true;",
		tests: APP,
	},
	{
		name: "a page that has its own name lead to the operator's machine reads what the internal port says",
		file: "http/private.ts",
		find: '!isOwnName(req.header("Host"))',
		replace: "req.path.length === 0",
		tests: PRIVATE,
	},
	{
		name: "pages of all origins read what the internal port says",
		file: "http/private.ts",
		find: "context.res.headers.delete(name);",
		replace: "context.res.headers.get(name);",
		tests: PRIVATE,
	},
	{
		name: "strangers have no limit together",
		file: "dashboard/limits.ts",
		find: 'isFile ? 0 : ofAll.waitMs("all")',
		replace: "0",
		tests: APP,
	},
	{
		name: "what a stranger wrote is not escaped",
		file: "dashboard/tables-view.ts",
		find: 'import { html } from "hono/html";',
		replace:
			'import { html as escaped, raw } from "hono/html";\nconst html = (texts: TemplateStringsArray, ...values: unknown[]) => escaped(texts, ...values.map((value) => (typeof value === "string" ? raw(value) : value)));',
		tests: APP,
	},
	{
		name: "workers are asked for each look at the hosts",
		file: "dashboard/kept.ts",
		find: "untilMs = nowMs() + intervalMs;",
		replace: "untilMs = nowMs();",
		tests: TABLES,
	},
	{
		name: "samples are kept without an end",
		file: "dashboard/live.ts",
		find: "if (this.#entries.length > SAMPLES_MAX) this.#entries.shift();",
		replace: "",
		tests: LIVE,
	},
	{
		name: "a quantile is of all messages since the start",
		file: "dashboard/sample.ts",
		find: "count - (before.upTo[at] ?? 0)",
		replace: "count",
		tests: SAMPLE,
	},
	{
		name: "a fault counts as a warning",
		file: "dashboard/status.ts",
		find: 'if (fault !== null && isServing) return "fault";',
		replace: "",
		tests: STATUS,
	},
];
