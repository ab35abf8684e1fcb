import type { Mutant } from "./table.ts";

const EDGE = ["http/edge.test.ts"];
const XRPC = ["http/xrpc.test.ts"];
const LEXICON = ["http/lexicon.test.ts"];
const REQUESTS = ["runtime/requests.test.ts"];
const CONTROL = ["control/client.test.ts"];
const CRAWLS = ["hosts/manager.test.ts"];
const SLOTS = ["hosts/probe-slots.test.ts"];
const SERVER = ["fanout/server.test.ts"];

/** Faults between strangers and the public port: limits that don't hold, and internal faults that show. */
export const PUBLIC_PORT_MUTANTS: readonly Mutant[] = [
	{
		name: "a request's URL is used unchecked",
		file: "http/edge.ts",
		find: "METHODS_REFUSED.has(request.method) ? null : targetOf(request.url)",
		replace: "new URL(request.url)",
		tests: EDGE,
	},
	{
		name: "the runtime answers faults itself",
		file: "http/edge.ts",
		find: "error: (error: unknown): Response => failureResponse(error, counters),",
		replace: "",
		tests: EDGE,
	},
	{
		name: "a refused tunnel stays open",
		file: "http/edge.ts",
		find: 'new Set(["CONNECT", "TRACE"])',
		replace: "new Set<string>()",
		tests: EDGE,
	},
	{
		name: "errors have no CORS headers",
		file: "http/response.ts",
		find: "{ Server: SERVER_NAME, ...CORS_HEADERS, ...headers }",
		replace: "{ Server: SERVER_NAME, ...headers }",
		tests: EDGE,
	},
	{
		name: "a preflight allows any header that it asks for",
		file: "http/preflight.ts",
		find: "requested.length <= REQUESTED_CHARS_MAX && HEADER_NAMES.test(requested)",
		replace: "requested.length > 0",
		tests: XRPC,
	},
	{
		name: "a body of any length is read",
		file: "net/bounded-fetch.ts",
		find: "if (bytes > bytesMax)",
		replace: "if (bytes > Number.MAX_VALUE)",
		tests: ["hosts/probe.test.ts"],
	},
	{
		name: "reads have no rate",
		file: "http/reads.ts",
		find: "if (waitMs === 0) return next();",
		replace: "return next();",
		tests: XRPC,
	},
	{
		name: "a relay that was told to stop stays ready",
		file: "control/health.ts",
		find: 'return isDraining ? ["the relay is shutting down"] : [];',
		replace: "return [];",
		tests: ["control/health.test.ts", "k8s/manifests.test.ts"],
	},
	{
		name: "a probe that leaves one check out leaves all of the same kind out",
		file: "control/health.ts",
		find: "HEALTH_CHECKS.filter((check) => !except.includes(check))",
		replace: "HEALTH_CHECKS.filter((check) => except.length === 0 && check.length > 0)",
		tests: ["control/health.test.ts"],
	},
	{
		name: "one address may have all waiting requests",
		file: "runtime/requests.ts",
		find: "this.#count(client, 1);",
		replace: "",
		tests: REQUESTS,
	},
	{
		name: "all addresses together may have any number of waiting requests",
		file: "runtime/requests.ts",
		find: 'if (this.#waiting.size >= max) return "full";',
		replace: "",
		tests: REQUESTS,
	},
	{
		name: "a finished request counts against its address for ever",
		file: "runtime/requests.ts",
		find: "if (client !== null) this.#count(client, -1);",
		replace: "",
		tests: REQUESTS,
	},
	{
		name: "a request waits for its answer for ever",
		file: "runtime/requests.ts",
		find: 'resolve({ answered: false, why: "timeout" })',
		replace: "undefined",
		tests: REQUESTS,
	},
	{
		name: "an answered request leaves its timer",
		file: "runtime/requests.ts",
		find: "cancel();",
		replace: "",
		tests: REQUESTS,
	},
	{
		name: "a request that failed is logged without what was asked",
		file: "runtime/requests.ts",
		find: "error, { args });",
		replace: "error);",
		tests: REQUESTS,
	},
	{
		name: "strangers may request any number of actions",
		file: "control/client.ts",
		find: "const client = admin ? null : networkOf(ip);",
		replace: "const client = null;",
		tests: CONTROL,
	},
	{
		name: "an operator's actions count as a stranger's",
		file: "control/client.ts",
		find: "const client = admin ? null : networkOf(ip);",
		replace: "const client = networkOf(ip);",
		tests: CONTROL,
	},
	{
		name: "a thread is asked before it has started",
		file: "runtime/thread.ts",
		find: "started.promise.then(() => link.take(message))",
		replace: "link.take(message)",
		tests: ["runtime/thread.test.ts"],
	},
	{
		name: "a rate limit forgets no key and grows",
		file: "runtime/rate-limit.ts",
		find: "new RecentMap({ entriesMax: keysMax })",
		replace: "new RecentMap({})",
		tests: ["runtime/rate-limit.test.ts"],
	},
	{
		name: "an entry that is used stays no longer than one that is not",
		file: "runtime/recent-map.ts",
		find: "this.#entries.delete(key);\n\t\tthis.#entries.set(key, value);\n\t\treturn value;",
		replace: "return value;",
		tests: ["runtime/recent-map.test.ts"],
	},
	{
		name: "the bytes of a removed entry still count",
		file: "runtime/recent-map.ts",
		find: "this.#bytes -= this.#limits.bytesOf(key, value);",
		replace: "",
		tests: ["runtime/recent-map.test.ts"],
	},
	{
		name: "a failed probe counts against no address",
		file: "hosts/crawl-gate.ts",
		find: "this.#failures.charge(address);",
		replace: ";",
		tests: CRAWLS,
	},
	{
		name: "one stranger's limit refuses another stranger",
		file: "hosts/crawls.ts",
		find: 'this.#gate.run(by.ip, () => this.#share("public", parsed.hostname, () => this.#crawlWithinQuota(parsed)))',
		replace:
			'this.#share("public", parsed.hostname, () => this.#gate.run(by.ip, () => this.#crawlWithinQuota(parsed)))',
		tests: CRAWLS,
	},
	{
		name: "one address may have all probe slots",
		file: "hosts/probe-slots.ts",
		find: "this.#runningOf(address) < this.#options.perAddressMax",
		replace: "true",
		tests: SLOTS,
	},
	{
		name: "the address that waits longest gets every turn",
		file: "hosts/probe-slots.ts",
		find: "if (this.#waiting.delete(address)) this.#waiting.set(address, waiters);",
		replace: "",
		tests: SLOTS,
	},
	{
		name: "a free slot goes to nobody who waits",
		file: "hosts/probe-slots.ts",
		find: "this.#giveBack(address);\n\t\t\tthis.#next();",
		replace: "this.#giveBack(address);",
		tests: SLOTS,
	},
	{
		name: "a consumer may send as much as it likes",
		file: "fanout/consumer.ts",
		find: "if (excess <= 0) return;",
		replace: "if (excess <= Number.MAX_VALUE) return;",
		tests: ["fanout/consumer.test.ts"],
	},
	{
		name: "a consumer's protocol is confirmed",
		file: "fanout/server.ts",
		find: ', "Sec-WebSocket-Protocol": "" }',
		replace: " }",
		tests: SERVER,
	},
	{
		name: "a parameter may be what its lexicon does not allow",
		file: "http/lexicon.ts",
		find: "if (!result.ok) throw",
		replace: "if (!result.ok && input === null) throw",
		tests: LEXICON,
	},
	{
		name: "a limit of four digits is refused",
		file: "http/lexicon.ts",
		find: "/^-?\\d{1,16}$/",
		replace: "/^-?\\d{1,3}$/",
		tests: LEXICON,
	},
	{
		name: "a getRepo with a `since` that is no TID is passed on",
		file: "http/reads.ts",
		find: "readParameters(getRepoLexicon, context)",
		replace: "readParameters(getRepoStatusLexicon, context)",
		tests: LEXICON,
	},
	{
		name: "a parameter's rule is not named",
		file: "http/lexicon.ts",
		find: "return key !== undefined && key in input ?",
		replace: "return key === undefined ?",
		tests: LEXICON,
	},
];
