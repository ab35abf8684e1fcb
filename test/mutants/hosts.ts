import type { Mutant } from "./table.ts";

const RULES = ["hosts/crawl-rules.test.ts"];
const PROBE = ["hosts/probe.test.ts"];

/** Faults of the gate that every new host passes, and of the sources of hosts. */
export const HOSTS_MUTANTS: readonly Mutant[] = [
	{
		name: "a relay passes the probe",
		file: "hosts/probe.ts",
		find: 'if (isRelay(response.headers.get("server") ?? ""))',
		replace: 'if (response.headers.get("server") === "atproto-relay")',
		tests: PROBE,
	},
	{
		name: "a relay is refused as a host that does not answer",
		file: "hosts/manager.ts",
		find: "return error.isRelay ? refusal(403, HOST_BANNED, rule)",
		replace: "return error.isRelay ? refusal(400, HOST_NOT_FOUND, rule)",
		tests: RULES,
	},
	{
		name: "a probe that finds a relay counts against no address",
		file: "hosts/crawl-gate.ts",
		find: "new Set([HOST_NOT_FOUND, HOST_BANNED])",
		replace: "new Set([HOST_NOT_FOUND])",
		tests: RULES,
	},
	{
		name: "a known host is probed again",
		file: "hosts/manager.ts",
		find: "if (known !== undefined) return this.#crawlKnown(known, admin);\n\t\tif (admin)",
		replace: "if (known !== undefined && admin) return this.#crawlKnown(known, admin);\n\t\tif (admin)",
		tests: RULES,
	},
	{
		name: "a host that failed its probe takes a place of the day",
		file: "hosts/manager.ts",
		find: "if (!result.ok) this.#quota.giveBack();",
		replace: "",
		tests: RULES,
	},
	{
		name: "hosts of admins take places of the day",
		file: "hosts/manager.ts",
		find: "if (admin) return this.#share(",
		replace: "if (admin && this.#quota.take()) return this.#share(",
		tests: RULES,
	},
	{
		name: "a stranger may name a host without TLS",
		file: "hosts/manager.ts",
		find: "parsedOr400(input, admin && allowInsecureHosts)",
		replace: "parsedOr400(input, allowInsecureHosts)",
		tests: RULES,
	},
	{
		name: "a host is banned by its own name only",
		file: "policy/policies.ts",
		find: "domainsOf(hostname).find((name) => this.#kept.domainBan.has(name))",
		replace: "[hostname].find((name) => this.#kept.domainBan.has(name))",
		tests: ["policy/owner.test.ts"],
	},
];
