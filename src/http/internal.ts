import type { Hono } from "hono";
import type { DelayedHost } from "../control/delays.ts";
import type { Health } from "../control/health.ts";
import type { Figures } from "../monitor/figures.ts";
import { samplesOf } from "../monitor/reading.ts";
import { READINGS } from "../monitor/readings.ts";
import type { Counters } from "../observe/counters.ts";
import type { Distribution, HistogramTotal, Totals } from "../observe/totals.ts";
import type { ThreadState } from "../runtime/thread-state.ts";
import { type ClientEnv, createBaseApp } from "./base.ts";
import { answerAlive, healthHandler } from "./health.ts";
import { leOf, METRICS_CONTENT_TYPE, type Measurements, renderMetrics } from "./metrics.ts";
import { privateOnly } from "./private.ts";
import { scrapeCache } from "./scrape-cache.ts";

export interface InternalAppOptions {
	/** The counters of all threads together. */
	totals: Totals;
	/** The counters of the thread that serves this app. */
	counters: Counters;
	/** What no thread counts, now. Must not wait. */
	figures: () => Figures;
	/** The state of each thread now, by its name. */
	threads: () => Promise<Record<string, ThreadState>>;
	/** The hosts of which messages wait because of limits. */
	delayed?: () => Promise<DelayedHost[]>;
	health: Health;
	/** Brings up to date what of health nobody tells by itself. */
	refreshHealth?: () => void;
	/** Monotonic milliseconds. */
	nowMs?: () => number;
}

/**
 * Makes the app of the control thread for the operator's probes and graphs. It has no authentication, so its port must not be
 * public.
 */
export function createInternalApp(options: InternalAppOptions): Hono<ClientEnv> {
	const { totals, counters, figures, threads, health, refreshHealth } = options;
	const { delayed = async () => [], nowMs = () => performance.now() } = options;
	const measure = (): Measurements => ({ totals: totals.read(), figures: figures() });
	const scrape = scrapeCache(() => renderMetrics(measure()), nowMs);
	const app = createBaseApp(counters, privateOnly);
	app.get("/_healthz", answerAlive);
	app.get("/_readyz", healthHandler(health, refreshHealth));
	app.get("/metrics", async (context) => context.body(await scrape(), 200, { "Content-Type": METRICS_CONTENT_TYPE }));
	app.get("/_stats", async (context) => {
		const [states, delayedHosts] = await Promise.all([threads(), delayed()]);
		return context.json({ ...statsOf(measure()), threads: states, delayedHosts });
	});
	return app;
}

/** Metrics that `/_stats` shows outside of `counters`, under the names that its readers know. */
const OWN_WORDS: Readonly<Record<string, string>> = {
	messages_rejected_total: "rejected",
	messages_lenient_total: "lenient",
};

/**
 * Measurements as JSON: numbers by name, and if they have a label, by name and value. Histograms are apart, and so are `readings`, which
 * no thread counts: each has a list of series, with labels and value.
 */
function statsOf({ totals, figures }: Measurements): object {
	const counters: Record<string, number | Record<string, number>> = {};
	const beside: typeof counters = {};
	const histograms: Record<string, object> = {};
	for (const metric of totals) {
		const { name, total, by } = metric;
		const word = OWN_WORDS[name];
		if (metric.kind === "histogram") histograms[name] = histogramOf(metric);
		else if (word === undefined) counters[name] = by?.totals ?? total;
		else beside[word] = by?.totals ?? total;
	}
	const { log, openFiles, process } = figures;
	const readings = Object.fromEntries(READINGS.map((reading) => [reading.name, samplesOf(reading, figures)]));
	return { counters, ...beside, histograms, log, openFiles, rssBytes: process.rssBytes, readings };
}

function histogramOf({ bounds, by, distributions }: HistogramTotal): object {
	const [only] = distributions;
	if (by === null && only !== undefined) return distributionOf(bounds, only);
	return Object.fromEntries(distributions.map((one) => [one.of ?? "", distributionOf(bounds, one)]));
}

function distributionOf(bounds: readonly number[], { upTo, sum }: Distribution): object {
	const buckets = upTo.map((count, at) => ({ le: leOf(bounds, at), count }));
	return { count: upTo.at(-1) ?? 0, sum, buckets };
}
