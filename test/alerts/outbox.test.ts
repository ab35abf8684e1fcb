import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { Notice } from "../../src/alerts/notice.ts";
import { GIVE_UP_MS, Outbox, RETRY_MS, RETRY_MS_MAX, WAITING_MAX } from "../../src/alerts/outbox.ts";
import type { Fetch } from "../../src/net/outbound-fetch.ts";
import { Counters } from "../../src/observe/counters.ts";
import { Rng } from "../../src/sim/rng.ts";
import { counted, countedBy } from "../observe/counted.ts";
import { until } from "../relay/rig.ts";
import { FakeTiming } from "../sim/fake-timing.ts";
import { type Behaviour, WebhookServer } from "./webhook-server.ts";

const FAILURES: readonly Behaviour[] = ["error", "limited", "cut", "redirect"];
/** Longer than any answer takes, on any machine. */
const LONG_MS = 240_000;
const SHORT_MS = 50;

let timing: FakeTiming;
let counters: Counters;
let server: WebhookServer;
let changes: number;

beforeEach(async () => {
	timing = new FakeTiming();
	counters = new Counters();
	changes = 0;
	server = new WebhookServer();
	await server.start();
});
afterEach(() => server.stop());

function noticeOf(at: number, atMs = timing.nowMs()): Notice {
	const incidents = [{ subject: "log", sinceMs: atMs, severity: "critical" as const, text: `text ${at}` }];
	return { id: `id-${at}`, event: "fired", kind: "log-gap", severity: "critical", atMs, count: 1, incidents };
}

function outboxOf(
	changed: {
		url?: string;
		format?: "json" | "slack";
		fetch?: Fetch;
		waiting?: Outbox["waiting"];
		answerMsMax?: number;
	} = {},
) {
	const {
		url = `http://127.0.0.1:${server.port}/hook`,
		format = "json",
		fetch,
		waiting = [],
		answerMsMax = LONG_MS,
	} = changed;
	return new Outbox(
		{
			...{ webhooks: [{ url, format }], source: "relay-1", counters, timing, answerMsMax },
			date: () => timing.nowMs(),
			onChange: () => changes++,
			...(fetch === undefined ? {} : { fetch }),
		},
		waiting,
	);
}

/** Lets time pass until nothing waits. */
async function settle(outbox: Outbox): Promise<void> {
	await until(() => {
		if (timing.waiting > 0) timing.pass(timing.nextMs);
		return outbox.waiting.length === 0;
	});
}

const failed = (): number => countedBy(counters, "alerts_total")["failed"] ?? 0;

describe("a webhook", () => {
	test("that fails in any way, and works later, gets each notice once, in order", async () => {
		const rng = new Rng("webhooks");
		const outbox = outboxOf();
		const behaviours = Array.from({ length: 12 }, () => rng.pick([...FAILURES, "ok" as const]));
		server.plan(...FAILURES, ...behaviours);
		const notices = Array.from({ length: 8 }, (_, at) => noticeOf(at));
		outbox.add(notices);
		expect(server.requests).toBe(0);
		outbox.send();
		await settle(outbox);
		expect(server.deliveries.map(({ id }) => id)).toEqual(notices.map(({ id }) => id));
		expect(countedBy(counters, "alerts_total")["sent"]).toBe(8);
		expect(failed()).toBeGreaterThanOrEqual(FAILURES.length);
		expect(counted(counters).of("alerts_waiting")).toBe(0);
		expect(changes).toBe(8);
	}, 60_000);

	test("that does not answer is given up after its time, and tried again", async () => {
		const outbox = outboxOf({ answerMsMax: SHORT_MS });
		server.plan("hang");
		outbox.add([noticeOf(1)]);
		outbox.send();
		await settle(outbox);
		expect(failed()).toBeGreaterThanOrEqual(1);
		expect(countedBy(counters, "alerts_total")["sent"]).toBe(1);
		// On a busy machine a later answer may be late too: then the notice comes again, with the same id.
		expect(new Set(server.deliveries.map(({ id }) => id))).toEqual(new Set(["id-1"]));
	}, 300_000);

	test("that redirects sends the notice nowhere else", async () => {
		const other = new WebhookServer();
		await other.start();
		server.elsewhere = `http://127.0.0.1:${other.port}/`;
		server.plan("redirect");
		const outbox = outboxOf();
		outbox.add([noticeOf(1)]);
		outbox.send();
		await settle(outbox);
		await other.stop();
		expect([other.requests, server.deliveries.length]).toEqual([0, 1]);
	});

	test("whose answer is lost gets the notice again with the same id: it counts as sent only after a 2xx", async () => {
		const outbox = outboxOf();
		server.plan("lost");
		outbox.add([noticeOf(1)]);
		outbox.send();
		await until(() => failed() === 1);
		expect(outbox.waiting.map(({ notice }) => notice.id)).toEqual(["id-1"]);
		expect(countedBy(counters, "alerts_total")["sent"]).toBeUndefined();
		await settle(outbox);
		expect(server.deliveries).toMatchObject([
			{ id: "id-1", isAnswered: false },
			{ id: "id-1", isAnswered: true },
		]);
	});

	test("that is down is tried after delays that double, and after a day no more", async () => {
		const delays: number[] = [];
		const outbox = outboxOf({ fetch: async () => new Response(null, { status: 500 }) });
		outbox.add([noticeOf(1)]);
		outbox.send();
		while (outbox.waiting.length > 0) {
			await until(() => timing.waiting > 0 || outbox.waiting.length === 0);
			if (outbox.waiting.length === 0) break;
			delays.push(timing.nextMs);
			timing.pass(timing.nextMs);
		}
		expect(delays.slice(0, 4)).toEqual([RETRY_MS, 2 * RETRY_MS, 4 * RETRY_MS, 8 * RETRY_MS]);
		expect(Math.max(...delays)).toBe(RETRY_MS_MAX);
		expect(delays.reduce((sum, delay) => sum + delay, 0)).toBeLessThan(GIVE_UP_MS + RETRY_MS_MAX);
		expect(countedBy(counters, "alerts_total")["dropped"]).toBe(1);
	});

	test("keeps its limit of notices: the oldest is dropped, also if it is being sent", async () => {
		const release = Promise.withResolvers<Response>();
		let isFirst = true;
		const fetch: Fetch = async () => {
			if (!isFirst) return new Response(null, { status: 204 });
			isFirst = false;
			return release.promise;
		};
		const outbox = outboxOf({ fetch });
		outbox.add([noticeOf(0)]);
		outbox.send();
		outbox.add(Array.from({ length: WAITING_MAX }, (_, at) => noticeOf(1 + at)));
		outbox.send();
		expect(outbox.waiting).toHaveLength(WAITING_MAX);
		release.resolve(new Response(null, { status: 204 }));
		await settle(outbox);
		expect(countedBy(counters, "alerts_total")).toEqual({ sent: WAITING_MAX + 1, dropped: 1 });
		expect(counted(counters).of("alerts_waiting")).toBe(0);
	});

	test("is found again after a restart, but not if it is another one", async () => {
		const outbox = outboxOf();
		outbox.add([noticeOf(1)]);
		const { waiting } = outbox;
		expect(JSON.stringify(waiting)).not.toContain("hook");
		expect(outboxOf({ url: "http://127.0.0.1:1/other", waiting }).waiting).toEqual([]);
		expect(outboxOf({ format: "slack", waiting }).waiting).toEqual([]);
		const after = outboxOf({ waiting });
		after.send();
		await settle(after);
		expect(server.deliveries.map(({ id }) => id)).toEqual(["id-1"]);
	});

	test("takes over the last ones up to its limit, and saves nothing while it is made", async () => {
		const outbox = outboxOf();
		outbox.add([noticeOf(0)]);
		const [{ target } = { target: "" }] = outbox.waiting;
		const waiting = Array.from({ length: 2 * WAITING_MAX }, (_, at) => ({ target, notice: noticeOf(at) }));
		expect(outboxOf({ waiting }).waiting).toEqual(waiting.slice(-WAITING_MAX));
		expect(changes).toBe(0);
	});

	test("gets JSON, or what Slack takes, in which no name is markup", async () => {
		const outbox = outboxOf();
		const slack = outboxOf({ format: "slack" });
		const incidents = [{ subject: "<b>&", sinceMs: 0, severity: "warning" as const, text: "<!channel> & <b>" }];
		const notice = { ...noticeOf(1), severity: "warning" as const, count: 3, incidents };
		for (const one of [outbox, slack]) {
			one.add([notice]);
			one.send();
			await settle(one);
		}
		expect(server.deliveries[0]?.body).toMatchObject({
			...{ id: "id-1", event: "fired", kind: "log-gap", severity: "warning", count: 3, source: "relay-1" },
			incidents: [{ subject: "<b>&", since: "1970-01-01T00:00:00.000Z" }],
			advice: expect.any(String),
		});
		const { text } = (server.deliveries[1]?.body ?? {}) as { text: string };
		expect(text).toContain("&lt;!channel&gt; &amp; &lt;b&gt;");
		expect(text).toContain("and 2 more");
		expect(text).not.toContain("<");
	});

	test("that is stopped keeps what it has not sent", async () => {
		server.plan("hang");
		const outbox = outboxOf();
		outbox.add([noticeOf(1)]);
		outbox.send();
		await until(() => server.requests === 1);
		outbox.stop();
		outbox.send();
		expect(outbox.waiting).toHaveLength(1);
		await Bun.sleep(0);
		expect([server.requests, failed(), timing.waiting]).toEqual([1, 0, 0]);
	});
});
