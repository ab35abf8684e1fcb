import type { Mutant } from "./table.ts";

const RULES = ["hosts/crawl-rules.test.ts"];
const PROBE = ["hosts/probe.test.ts"];
const LISTED = ["hosts/listed-hosts.test.ts"];
const LISTING = ["hosts/sources/relay-listing.test.ts"];
const INTAKE = ["hosts/sources/intake.test.ts"];
const BOOTSTRAP = ["hosts/sources/bootstrap.test.ts"];

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
		file: "hosts/crawls.ts",
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
		file: "hosts/crawls.ts",
		find: 'if (known !== undefined) return this.#crawlKnown(known, admin ? "operator" : "stranger");',
		replace: 'if (known !== undefined && admin) return this.#crawlKnown(known, "operator");',
		tests: RULES,
	},
	{
		name: "a host that failed its probe takes a place of the day",
		file: "hosts/crawls.ts",
		find: "if (!result.ok) this.#quota.giveBack();",
		replace: "",
		tests: RULES,
	},
	{
		name: "hosts of admins take places of the day",
		file: "hosts/crawls.ts",
		find: "if (admin) return this.#share(",
		replace: "if (admin && this.#quota.take()) return this.#share(",
		tests: RULES,
	},
	{
		name: "a stranger may name a host without TLS",
		file: "hosts/crawls.ts",
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
	{
		name: "a host of a list is taken although it is banned",
		file: "hosts/crawls.ts",
		find: "if (ban !== null) return refusedBy(ban, hostname);",
		replace: "",
		tests: LISTED,
	},
	{
		name: "a relay that is known is taken from a list",
		file: "hosts/crawls.ts",
		find: 'return known.driver.state.phase === "barred" ? banned(known) : { ok: true, isNew: false };',
		replace: "return { ok: true, isNew: false };",
		tests: LISTED,
	},
	{
		name: "hosts of a list are not probed",
		file: "hosts/crawls.ts",
		find: "await this.#options.probe(parsed, mayBePrivate(parsed));",
		replace: 'if (by !== "list") await this.#options.probe(parsed, mayBePrivate(parsed));',
		tests: LISTED,
	},
	{
		name: "hosts of a list are all probed at once",
		file: "hosts/crawls.ts",
		find: "this.#listedProbes.run(() => this.#crawlNew(",
		replace: "((work: () => Promise<ControlResult>) => work())(() => this.#crawlNew(",
		tests: LISTED,
	},
	{
		name: "hosts of a list are dialled before all others",
		file: "hosts/crawls.ts",
		find: 'by === "list" ? { type: "start" } : { type: "asked", by }',
		replace: '{ type: "asked", by: by === "list" ? "stranger" : by }',
		tests: LISTED,
	},
	{
		name: "a relay that gives out its cursors in a circle is followed through all pages",
		file: "hosts/sources/relay-listing.ts",
		find: "cursors.has(next) ||",
		replace: "",
		tests: LISTING,
	},
	{
		name: "hosts that are offline at the other relay are taken",
		file: "hosts/sources/relay-listing.ts",
		find: 'new Set(["offline", "banned"])',
		replace: 'new Set(["banned"])',
		tests: LISTING,
	},
	{
		name: "another relay that says when to come again is asked sooner",
		file: "hosts/sources/relay-listing.ts",
		find: "(asked ?? pauseMs)",
		replace: "pauseMs",
		tests: LISTING,
	},
	{
		name: "another relay may list hosts without end",
		file: "hosts/sources/relay-listing.ts",
		find: "if (hosts > LISTED_HOSTS_MAX)",
		replace: "if (hosts > Number.MAX_VALUE)",
		tests: LISTING,
	},
	{
		name: "all hosts of a page are added by one call",
		file: "hosts/sources/intake.ts",
		find: "good.slice(at, at + HOSTS_PER_ADD_MAX)",
		replace: "good.slice(at)",
		tests: INTAKE,
	},
	{
		name: "a name that no relay takes is asked for",
		file: "hosts/sources/intake.ts",
		find: "if (fault !== null) bad.push(",
		replace: "if (fault === name) bad.push(",
		tests: INTAKE,
	},
	{
		name: "a pull that failed is not tried again sooner",
		file: "hosts/sources/bootstrap.ts",
		find: "isDone ? intervalMs : Math.min(retryMs, intervalMs)",
		replace: "intervalMs",
		tests: BOOTSTRAP,
	},
];
