import { beforeEach, describe, expect, test } from "bun:test";
import type { Hono } from "hono";
import type { ClientEnv } from "../../src/http/base.ts";
import { createInternalApp } from "../../src/http/internal.ts";
import { Counters } from "../../src/observe/counters.ts";
import { Totals } from "../../src/observe/totals.ts";
import { REJECTION_REASON_NAMES } from "../../src/protocol/reasons.ts";
import { VERSION } from "../../src/version.ts";

let counters: Counters[];
let fault: string | null;
let app: Hono<ClientEnv>;

beforeEach(() => {
	const own = new Counters();
	counters = [own, new Counters()];
	const totals = new Totals();
	for (const thread of counters) totals.include(thread.share());
	fault = null;
	app = createInternalApp({
		totals,
		counters: own,
		log: () => ({ firstSeq: 3, lastSeq: 9, appliedSeq: 8 }),
		health: () => fault,
		rssBytes: () => 4_096,
		openFiles: () => ({ open: 12, max: 175 }),
	});
	for (const row of counters) {
		row.add("frames_received_total", 5);
		row.add("hosts_connected", 1);
		row.reject("rev-stale");
	}
	counters[0]?.lenient("mst-partial");
});

describe("/metrics", () => {
	const lines = async (): Promise<string[]> => (await (await app.request("/metrics")).text()).split("\n");

	test("has the sum of all threads, with type and meaning", async () => {
		const text = await lines();
		expect(text).toContain("standpipe_frames_received_total 10");
		expect(text).toContain("# TYPE standpipe_frames_received_total counter");
		expect(text).toContain("# HELP standpipe_frames_received_total WebSocket messages received from hosts");
		expect(text).toContain("standpipe_hosts_connected 2");
		expect(text).toContain("# TYPE standpipe_hosts_connected gauge");
		expect(text).toContain("process_resident_memory_bytes 4096");
		expect(text).toContain("process_open_fds 12");
		expect(text).toContain("process_max_fds 175");
		expect(text).toContain("standpipe_log_first_seq 3");
		expect(text).toContain("standpipe_log_last_seq 9");
		expect(text).toContain("standpipe_index_applied_seq 8");
	});

	test("has every reason, counted or not", async () => {
		const text = await lines();
		expect(text).toContain('standpipe_messages_rejected_total{reason="rev-stale"} 2');
		expect(text).toContain('standpipe_messages_lenient_total{reason="mst-partial"} 1');
		for (const reason of REJECTION_REASON_NAMES) {
			expect(text.some((line) => line.startsWith(`standpipe_messages_rejected_total{reason="${reason}"} `))).toBe(true);
		}
	});

	test("follows the counters, and adds nothing up twice", async () => {
		await lines();
		counters[1]?.add("frames_received_total", 1);
		counters[1]?.add("hosts_connected", -1);
		const text = await lines();
		expect(text).toContain("standpipe_frames_received_total 11");
		expect(text).toContain("standpipe_hosts_connected 1");
	});

	test("is in the format of Prometheus", async () => {
		const response = await app.request("/metrics");
		expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
	});
});

test("/_stats has the same as JSON", async () => {
	const stats: unknown = await (await app.request("/_stats")).json();
	expect(stats).toMatchObject({
		counters: { frames_received_total: 10, hosts_connected: 2 },
		rejected: { "rev-stale": 2, "car-malformed": 0 },
		lenient: { "mst-partial": 1 },
		log: { firstSeq: 3, lastSeq: 9, appliedSeq: 8 },
		rssBytes: 4_096,
		openFiles: { open: 12, max: 175 },
	});
});

test("/_health says what is wrong", async () => {
	expect(await (await app.request("/_health")).json()).toEqual({ status: "ok", version: VERSION });
	fault = "the disk is full";
	const response = await app.request("/_health");
	expect(response.status).toBe(503);
	expect(await response.json()).toEqual({ error: "Unhealthy", message: "the disk is full" });
});
