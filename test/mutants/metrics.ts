import type { Mutant } from "./table.ts";

const BUSIEST = ["monitor/busiest-hosts.test.ts"];
const MONITOR = ["monitor/monitor.test.ts"];
const INTERNAL = ["http/internal.test.ts"];
const SUBSCRIPTION = ["ingest/host/subscription.test.ts"];

/** Faults in what the relay measures. */
export const METRICS_MUTANTS: readonly Mutant[] = [
	{
		name: "every host that sends has series of its own",
		file: "monitor/busiest-hosts.ts",
		find: ".slice(0, HOSTS_LISTED_MAX)",
		replace: "",
		tests: BUSIEST,
	},
	{
		name: "what comes of listed hosts counts for the rest, too",
		file: "monitor/busiest-hosts.ts",
		find: "addGrowth(isListed && before.has(hostname) ? shown : this.#rest, seen, tally);",
		replace:
			"addGrowth(this.#rest, { ...seen }, tally);\n\t\t\taddGrowth(isListed && before.has(hostname) ? shown : { events: 0, rejected: 0 }, seen, tally);",
		tests: BUSIEST,
	},
	{
		name: "hosts beyond those that are tallied one by one are not in the rest",
		file: "monitor/busiest-hosts.ts",
		find: "addGrowth(this.#rest, this.#restSeen, rest);",
		replace: "",
		tests: BUSIEST,
	},
	{
		name: "a host that is a little busier takes the place of a listed one",
		file: "monitor/busiest-hosts.ts",
		find: "const ADVANTAGE = 2;",
		replace: "const ADVANTAGE = 1;",
		tests: BUSIEST,
	},
	{
		name: "what waited and is asked for again counts as rejected",
		file: "ingest/host/subscription.ts",
		find: "if (outcome === REJECTED || outcome === FAILED) this.#options.tally.addRejected();",
		replace: "if (outcome.rejected && !outcome.isRepeat) this.#options.tally.addRejected();",
		tests: SUBSCRIPTION,
	},
	{
		name: "the threads are asked at each scrape",
		file: "monitor/monitor.ts",
		find: "if (nowMs - this.#askedAtMs < MEMORY_INTERVAL_MS) return;",
		replace: "",
		tests: MONITOR,
	},
	{
		name: "each scrape is written anew, however many ask",
		file: "http/scrape-cache.ts",
		find: "if (now - renderedAtMs < SCRAPE_MS) return text;",
		replace: "",
		tests: INTERNAL,
	},
	{
		name: "a metric's meaning and what to do run into each other",
		file: "observe/metric.ts",
		find: "}. $",
		replace: "} $",
		tests: INTERNAL,
	},
	{
		name: "a consumer counts only if it is exactly so far behind",
		file: "fanout/lags.ts",
		find: "if (lag >= Number(records)) counts[at] = (counts[at] ?? 0) + 1;",
		replace: "if (lag === Number(records)) counts[at] = (counts[at] ?? 0) + 1;",
		tests: ["fanout/lags.test.ts"],
	},
];
