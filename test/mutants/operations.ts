import type { Mutant } from "./table.ts";

const MASKING = ["observe/masking.test.ts"];
const REPEATS = ["observe/repeats.test.ts"];
const SECRETS = ["config/secret-file.test.ts", "config/settings.test.ts"];

const INCIDENTS = ["alerts/incidents.test.ts"];
const DETECT = ["alerts/detect.test.ts"];
const OUTBOX = ["alerts/outbox.test.ts"];
const WATCH = ["alerts/watch.test.ts"];

/** Faults in what tells the operator: lines of the log that show secrets or leave things out, and how secrets are given. */
export const OPERATIONS_MUTANTS: readonly Mutant[] = [
	{
		name: "the log shows a secret as it stands in a URL",
		file: "observe/masking.ts",
		find: "	const url = encodeURIComponent(whole);\n",
		replace: "	const url = whole;\n",
		tests: MASKING,
	},
	{
		name: "the log shows the beginning of a secret that was cut",
		file: "observe/masking.ts",
		find: "masked(text.slice(0, reach)).slice(0, -margin)",
		replace: "masked(text.slice(0, charsMax))",
		tests: MASKING,
	},
	{
		name: "lines that were left out are not summed up if their sentence is forgotten",
		file: "observe/repeats.ts",
		find: "if (oldest !== undefined) this.#end(...oldest);",
		replace: "if (oldest !== undefined) this.#windows.delete(oldest[0]);",
		tests: REPEATS,
	},
	{
		name: "an error is left out since there were too many warnings",
		file: "observe/repeats.ts",
		find: "[level, ...category,",
		replace: "[...category,",
		tests: REPEATS,
	},
	{
		name: "a secret may stand on the command line",
		file: "config/settings.ts",
		find: 'by.startsWith("--") && secretsIn(one, value).length > 0',
		replace: 'by.startsWith("--") && secretsIn(one, value).length < 0',
		tests: SECRETS,
	},
	{
		name: "the newline at the end of a secret's file is a part of the secret",
		file: "config/secret-file.ts",
		find: '.replace(/\\r?\\n$/, "")',
		replace: "",
		tests: SECRETS,
	},
	{
		name: "an alert begins before it has lasted long enough",
		file: "alerts/incidents.ts",
		find: "nowMs - incident.sinceMs >= ALERT_KINDS[kind].afterMs",
		replace: "nowMs >= incident.sinceMs",
		tests: INCIDENTS,
	},
	{
		name: "an alert of which nothing is known now is over",
		file: "alerts/incidents.ts",
		find: "if (seen.has(key) || !looked.has(incident.kind)) continue;",
		replace: "if (seen.has(key)) continue;",
		tests: INCIDENTS,
	},
	{
		name: "an alert that gets worse is not told again",
		file: "alerts/incidents.ts",
		find: 'severity === "critical" && incident.severity === "warning"',
		replace: 'severity === "warning" && incident.severity === "critical"',
		tests: INCIDENTS,
	},
	{
		name: "a restart counts all rejections again",
		file: "alerts/rate.ts",
		find: "count >= rate.count ? count - rate.count : count",
		replace: "count",
		tests: DETECT,
	},
	{
		name: "a notice counts as sent whatever the webhook answers",
		file: "alerts/outbox.ts",
		find: "if (response.ok) return null;",
		replace: "if (response.status > 0) return null;",
		tests: OUTBOX,
	},
	{
		name: "a notice is taken by whoever a webhook redirects to",
		file: "alerts/outbox.ts",
		find: 'redirect: "manual"',
		replace: 'redirect: "follow"',
		tests: OUTBOX,
	},
	{
		name: "a notice is sent before it is saved",
		file: "alerts/watch.ts",
		find: "		this.#outbox.add(notices);\n",
		replace: "		this.#outbox.add(notices);\n		this.#outbox.send();\n",
		tests: WATCH,
	},
	{
		name: "a restart forgets the notices that wait",
		file: "alerts/watch.ts",
		find: "state?.waiting ?? []",
		replace: "[]",
		tests: WATCH,
	},
	{
		name: "a restart forgets which alerts have been told",
		file: "alerts/watch.ts",
		find: "state?.incidents ?? NO_INCIDENTS",
		replace: "NO_INCIDENTS",
		tests: WATCH,
	},
];
