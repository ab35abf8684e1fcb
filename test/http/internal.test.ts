import { beforeEach, describe, expect, test } from "bun:test";
import type { Hono } from "hono";
import { Health } from "../../src/control/health.ts";
import type { ClientEnv } from "../../src/http/base.ts";
import { createInternalApp } from "../../src/http/internal.ts";
import { SCRAPE_MS } from "../../src/http/scrape-cache.ts";
import { messagesLenient, messagesRejected } from "../../src/ingest/rejections.ts";
import { Counters } from "../../src/observe/counters.ts";
import { counter, gauge, histogram } from "../../src/observe/metric.ts";
import { Totals } from "../../src/observe/totals.ts";
import { REJECTION_REASON_NAMES } from "../../src/protocol/reasons.ts";
import { VERSION } from "../../src/version.ts";
import { FIGURES } from "../monitor/figures.ts";

const windfalls = counter("windfalls_total", "apples that fell", "Pick them up.");
const baskets = gauge("full_baskets", "baskets that are full now", "Empty them.");
const fullness = gauge("pots", "pots, by what they are", "Look into them.", {
	name: "state",
	values: ["full", "empty"],
});
const fruits = counter("fruits_total", "fruits, by colour", "Wait.", { name: "colour", values: ["green", "red"] });
const falls = histogram("fall_seconds", "how long an apple falls", "Look at the tree's height.", [0.5, 2, 10]);
const walks = histogram("walk_seconds", "how long a walk takes, by weather", "Walk faster.", [60], {
	name: "weather",
	values: ["sun", "rain"],
});

let counters: Counters[];
let health: Health;
let isReadStalled: boolean;
let nowMs = 0;
let app: Hono<ClientEnv>;

beforeEach(() => {
	const own = new Counters();
	counters = [own, new Counters()];
	const totals = new Totals();
	for (const thread of counters) totals.include(thread.share());
	health = new Health();
	isReadStalled = false;
	health.isStarting = false;
	app = createInternalApp({
		totals,
		counters: own,
		figures: () => FIGURES,
		nowMs: () => nowMs,
		threads: async () => ({ fanout: { isAnswering: false, memory: null } }),
		health,
		refreshHealth: () => {
			health.areReadsStalled = isReadStalled;
		},
	});
	for (const row of counters) {
		row.add(windfalls, 5);
		row.add(baskets, 1);
		row.add(messagesRejected.of("rev-stale"));
	}
	counters[0]?.add(messagesLenient.of("mst-partial"));
	for (const value of [0, 0.5, 1, 100]) counters[0]?.observe(falls, value);
	for (const value of [0.25, 11]) counters[1]?.observe(falls, value);
	counters[1]?.observe(walks.of("rain"), 90);
	counters[1]?.add(fruits.of("red"));
	counters[1]?.add(fullness.of("full"), -3);
});

describe("/metrics", () => {
	const lines = async (): Promise<string[]> => (await (await app.request("/metrics")).text()).split("\n");

	test("has the sum of all threads, with type and meaning", async () => {
		const text = await lines();
		expect(text).toContain("standpipe_windfalls_total 10");
		expect(text).toContain("# TYPE standpipe_windfalls_total counter");
		expect(text).toContain("# HELP standpipe_windfalls_total apples that fell. Pick them up.");
		expect(text).toContain("standpipe_full_baskets 2");
		expect(text).toContain("# TYPE standpipe_full_baskets gauge");
		expect(text).toContain("process_resident_memory_bytes 4096");
		expect(text).toContain("process_open_fds 12");
		expect(text).toContain("process_max_fds 175");
		expect(text).toContain("standpipe_log_first_seq 3");
		expect(text).toContain("standpipe_log_last_seq 9");
		expect(text).toContain("standpipe_log_last_lsn 12");
		expect(text).toContain("standpipe_index_applied_lsn 11");
		expect(text).toContain('standpipe_hosts{status="offline"} 2');
		expect(text).toContain('standpipe_build_info{version="1.2.3",engine="native",bun="1.4.5",platform="linux-x64"} 1');
		expect(text).toContain("# TYPE process_cpu_seconds_total counter");
		expect(text).toContain("process_cpu_seconds_total 1.5");
	});

	test("has every value of a label, counted or not", async () => {
		const text = await lines();
		expect(text).toContain('standpipe_fruits_total{colour="green"} 0');
		expect(text).toContain('standpipe_fruits_total{colour="red"} 1');
		expect(text).toContain("# TYPE standpipe_pots gauge");
		expect(text).toContain('standpipe_pots{state="full"} -3');
		expect(text).toContain('standpipe_pots{state="empty"} 0');
		expect(text).toContain('standpipe_messages_rejected_total{reason="rev-stale"} 2');
		expect(text).toContain('standpipe_messages_lenient_total{reason="mst-partial"} 1');
		for (const reason of REJECTION_REASON_NAMES) {
			expect(text.some((line) => line.startsWith(`standpipe_messages_rejected_total{reason="${reason}"} `))).toBe(true);
		}
	});

	test("has the buckets of a histogram, each with all values that are not above its bound, and count and sum", async () => {
		const text = await lines();
		const of = (name: string): string[] => text.filter((line) => line.includes(name));
		expect(of("fall_seconds")).toEqual([
			"# HELP standpipe_fall_seconds how long an apple falls. Look at the tree's height.",
			"# TYPE standpipe_fall_seconds histogram",
			'standpipe_fall_seconds_bucket{le="0.5"} 3',
			'standpipe_fall_seconds_bucket{le="2"} 4',
			'standpipe_fall_seconds_bucket{le="10"} 4',
			'standpipe_fall_seconds_bucket{le="+Inf"} 6',
			"standpipe_fall_seconds_sum 112.75",
			"standpipe_fall_seconds_count 6",
		]);
		expect(of("walk_seconds")).toEqual([
			"# HELP standpipe_walk_seconds how long a walk takes, by weather. Walk faster.",
			"# TYPE standpipe_walk_seconds histogram",
			'standpipe_walk_seconds_bucket{weather="sun",le="60"} 0',
			'standpipe_walk_seconds_bucket{weather="sun",le="+Inf"} 0',
			'standpipe_walk_seconds_sum{weather="sun"} 0',
			'standpipe_walk_seconds_count{weather="sun"} 0',
			'standpipe_walk_seconds_bucket{weather="rain",le="60"} 0',
			'standpipe_walk_seconds_bucket{weather="rain",le="+Inf"} 1',
			'standpipe_walk_seconds_sum{weather="rain"} 90',
			'standpipe_walk_seconds_count{weather="rain"} 1',
		]);
	});

	test("follows the counters, and adds nothing up twice", async () => {
		const before = await lines();
		counters[1]?.add(windfalls, 1);
		counters[1]?.add(baskets, -1);
		nowMs += SCRAPE_MS - 1;
		expect(await lines()).toEqual(before);
		nowMs += 1;
		const text = await lines();
		expect(text).toContain("standpipe_windfalls_total 11");
		expect(text).toContain("standpipe_full_baskets 1");
	});

	test("leaves out what is not known now, and writes what strangers chose so that it can be read back", async () => {
		const text = await lines();
		expect(text.filter((line) => /^(# TYPE )?standpipe_log_size_limit_bytes/.test(line))).toEqual([]);
		expect(text).toContain('standpipe_thread_heap_bytes{thread="a \\"b\\" \\\\ \\n c"} 600');
	});

	test("is in the format of Prometheus", async () => {
		const response = await app.request("/metrics");
		expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
	});
});

test("/_stats has the same as JSON", async () => {
	const stats: unknown = await (await app.request("/_stats")).json();
	expect(stats).toMatchObject({
		counters: { windfalls_total: 10, full_baskets: 2, fruits_total: { green: 0, red: 1 } },
		rejected: { "rev-stale": 2, "car-malformed": 0 },
		lenient: { "mst-partial": 1 },
		log: { firstSeq: 3, lastSeq: 9, lastLsn: 12, appliedLsn: 11 },
		readings: {
			standpipe_ready: [{ labels: {}, value: 1 }],
			standpipe_memory_bytes: [
				{ labels: { part: "heap" }, value: 1_000 },
				{ labels: { part: "file" }, value: 96 },
				{ labels: { part: "native" }, value: 3_000 },
			],
		},
		rssBytes: 4_096,
		openFiles: { open: 12, max: 175 },
		threads: { fanout: { isAnswering: false, memory: null } },
		histograms: {
			fall_seconds: {
				count: 6,
				sum: 112.75,
				buckets: [
					{ le: "0.5", count: 3 },
					{ le: "2", count: 4 },
					{ le: "10", count: 4 },
					{ le: "+Inf", count: 6 },
				],
			},
			walk_seconds: { sun: { count: 0, sum: 0 }, rain: { count: 1, sum: 90 } },
		},
	});
});

test("/_healthz answers 200 whatever is wrong, /_readyz says what is", async () => {
	expect(await (await app.request("/_readyz")).json()).toEqual({ status: "ok", version: VERSION });
	health.log = "disk-full";
	health.isDraining = true;
	const response = await app.request("/_readyz");
	expect(response.status).toBe(503);
	expect(await response.json()).toEqual({ error: "Unhealthy", message: health.fault() });
	const alive = await app.request("/_healthz");
	expect([alive.status, await alive.json()]).toEqual([200, { status: "ok", version: VERSION }]);
});

test("/_readyz looks for what nobody tells", async () => {
	isReadStalled = true;
	expect((await app.request("/_readyz")).status).toBe(503);
	isReadStalled = false;
	expect((await app.request("/_readyz")).status).toBe(200);
});
