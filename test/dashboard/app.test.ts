import { beforeEach, describe, expect, test } from "bun:test";
import type { Hono } from "hono";
import { refusal } from "../../src/control/answer.ts";
import type { Control, Requester } from "../../src/control/api.ts";
import { createDashboardApp, type DashboardOptions } from "../../src/dashboard/app.ts";
import { FRAGMENT_KEPT_MS, FRAGMENTS_MAX } from "../../src/dashboard/fragments.ts";
import { publicLimits } from "../../src/dashboard/limits.ts";
import { Live } from "../../src/dashboard/live.ts";
import type { ClientEnv } from "../../src/http/base.ts";
import { Counters } from "../../src/observe/counters.ts";
import { Rng } from "../../src/sim/rng.ts";
import { fakeControl } from "../control/fake-control.ts";
import { FakeTiming } from "../sim/fake-timing.ts";
import { reading } from "./reading.ts";

const PARTS = ["hosts", "consumers", "rejections", "audit"] as const;

/** What a stranger wrote, in each place where a stranger's words are shown. */
let words: string;
/** What the tables were last asked by. */
let asked: unknown[];

function control(): Control {
	const live = new Live(() => reading({ fault: words }), new FakeTiming());
	return fakeControl<Control>({
		liveText: async () => ({ ok: true, text: live.textSince(0) }),
		hostTable: async (query, by) => {
			asked.push(query, by);
			const row = {
				...{ hostname: words, status: "offline" as const, reason: words, nextAttemptMs: 5, perS: 1.5 },
				...{ accounts: 3, waiting: 2, accountLimit: 10, delayedMs: 9 },
			};
			return { ok: true, page: { rows: [row], matching: 1, known: 200 } };
		},
		consumerTable: async (query, by) => {
			asked.push(query, by);
			const who = by.admin ? { ip: "203.0.113.9", userAgent: words } : { ip: null, userAgent: null };
			const rest = { id: 4, stream: "subscribeRepos", connectedAtMs: 1, framesSent: 2, bytesSent: 3, lag: 4 };
			return {
				ok: true,
				page: { rows: [{ ...rest, ...who, framesPerS: 5, bufferedBytes: 6 }], matching: 1, known: 1 },
			};
		},
		recentRejections: async () => {
			const told = { hostname: words, did: words, type: words, detail: words, upstreamSeq: 1, atMs: 2 };
			return { ok: true, rejections: [{ ...told, reason: "rev-stale", passedSince: true }] };
		},
		actions: async (before) => {
			asked.push(before);
			const texts = { by: words, action: words, subject: words, before: words, after: words };
			return { ok: true, actions: [{ lsn: 7, atMs: 1, ...texts }] };
		},
	});
}

const GATE = { gate: "status", state: "hold", answer: "x", detail: null, action: null, facts: {} };

function appOf(changes: Partial<DashboardOptions> = {}): Hono<ClientEnv> {
	return createDashboardApp({
		audience: "operator",
		control: control(),
		why: async () =>
			Response.json({
				...{ did: words, verdict: "held" },
				gates: [{ ...GATE, words, detail: words, action: words, facts: { lastError: words } }],
			}),
		hasAdmin: true,
		counters: new Counters(),
		...changes,
	});
}

function ask(app: Hono<ClientEnv>, path: string, headers: Record<string, string> = {}): Promise<Response> {
	return Promise.resolve(
		app.request(`http://localhost${path}`, { headers: { Host: "localhost", ...headers } }, { ip: "192.0.2.7" }),
	);
}

beforeEach(() => {
	words = "pds.example.com";
	asked = [];
});

describe("every answer of the dashboard", () => {
	const paths = [
		"/",
		"/dashboard/live",
		"/dashboard/client.js",
		"/dashboard/nothing",
		"/dashboard/hosts?page=x",
		...PARTS.map((part) => `/dashboard/${part}`),
	];

	test.each(paths)("%s lets no other page in, and lets nothing from elsewhere run", async (path) => {
		const { headers } = await ask(appOf(), path, { Origin: "https://elsewhere.example" });
		expect(headers.get("Access-Control-Allow-Origin")).toBeNull();
		const policy = headers.get("Content-Security-Policy") ?? "";
		expect(policy).toContain("default-src 'none'");
		expect(policy).toContain("frame-ancestors 'none'");
		expect(policy).not.toContain("unsafe");
		expect(headers.get("X-Content-Type-Options")).toBe("nosniff");
		expect(headers.get("Referrer-Policy")).toBe("no-referrer");
	});

	test("is refused if a page's own name leads to the operator's machine", async () => {
		const app = appOf();
		for (const host of [
			"localhost:2471",
			"127.0.0.1:2471",
			"[::1]:2471",
			"10.2.3.4",
			"relay:2471",
			"standpipe.relay.svc.cluster.local",
			"relay.internal",
		])
			expect([host, (await ask(app, "/", { Host: host })).status]).toEqual([host, 200]);
		for (const host of [
			"evil.example:2471",
			"relay.example.com",
			"127.0.0.1.evil.example",
			"localhost.evil.example",
			"local.com",
			"a b",
		])
			expect([host, (await ask(app, "/dashboard/consumers", { Host: host })).status]).toEqual([host, 421]);
	});
});

describe("what strangers wrote", () => {
	const pieces = [
		"<script>alert(1)</script>",
		"<img src=x onerror=alert(1)>",
		'" onmouseover="x',
		"' autofocus='",
		"&lt;b&gt;",
		"</td>",
		"<!--",
		"\u202e",
		"`",
	];

	test("stands in the page as text, wherever it comes from", async () => {
		const rng = new Rng("markup");
		for (let round = 0; round < 60; round++) {
			words = Array.from({ length: 1 + rng.int(4) }, () => rng.pick(pieces)).join("");
			const text = await (await ask(appOf(), `/?${new URLSearchParams({ why: words, q: words })}`)).text();
			const marks = { elements: 0, shown: 0 };
			const rewriter = new HTMLRewriter().on("*", {
				element({ tagName, attributes }) {
					if (tagName === "img" || tagName === "script") marks.elements++;
					for (const [name] of attributes) if (name.startsWith("on") || name === "autofocus") throw new Error(name);
				},
			});
			await rewriter.transform(new Response(text)).text();
			// The icon, and the two scripts of the page.
			expect(marks.elements).toBe(3);
			expect(text.includes("<!--")).toBe(false);
		}
	});
});

describe("the page for strangers", () => {
	const publicApp = (changes: Partial<DashboardOptions> = {}): Hono<ClientEnv> =>
		appOf({ audience: "public", hasAdmin: false, ...changes });

	test("asks the relay as a stranger, and shows neither addresses nor the audit log nor actions", async () => {
		words = "secret-words";
		const text = await (await ask(publicApp(), "/")).text();
		const isRequester = (one: unknown): one is Requester => typeof one === "object" && one !== null && "admin" in one;
		expect(asked.filter(isRequester)).toEqual([
			{ admin: false, ip: "192.0.2.7" },
			{ admin: false, ip: "192.0.2.7" },
		]);
		expect(text).not.toMatch(/203\.0\.113|data-action|<dialog|password|id="audit"/);
		expect((await ask(publicApp(), "/dashboard/audit")).status).toBe(404);
		// The operator's has all of these.
		const own = await (await ask(appOf(), "/")).text();
		for (const part of ["203.0.113", "data-action", "<dialog", 'id="audit"']) expect(own).toContain(part);
	});

	test("has any name, and a limit for each address and for all together", async () => {
		let nowMs = 0;
		const app = publicApp({ limits: publicLimits(2, () => nowMs) });
		const statuses = async (times: number, ip: string, path = "/dashboard/live"): Promise<number[]> => {
			const one = async (): Promise<number> =>
				(await app.request(path, { headers: { Host: "relay.example.com" } }, { ip })).status;
			return Promise.all(Array.from({ length: times }, one));
		};
		expect((await statuses(12, "192.0.2.1")).filter((status) => status === 429)).toHaveLength(2);
		expect(await statuses(1, "192.0.2.2")).toEqual([200]);
		nowMs += 1_000;
		expect(await statuses(3, "192.0.2.1")).toEqual([200, 200, 429]);
		let answered = 0;
		for (let at = 0; at < 300; at++) answered += (await statuses(1, `198.51.100.${at % 256}`))[0] === 200 ? 1 : 0;
		expect(answered).toBeLessThan(300);
		expect(await statuses(1, "203.0.113.200", "/dashboard/client.js")).toEqual([200]);
	});
});

test("who asks for the same within a second gets what was made for the first, and others get their own", async () => {
	let nowMs = 0;
	const app = appOf({ nowMs: () => nowMs });
	const hosts = async (query: string): Promise<string> => (await ask(app, `/dashboard/hosts?${query}`)).text();
	const texts = await Promise.all(Array.from({ length: 10 }, () => hosts("sort=name")));
	expect(new Set(texts).size).toBe(1);
	expect(asked).toHaveLength(2);
	words = "later.example.com";
	nowMs += FRAGMENT_KEPT_MS - 1;
	expect(await hosts("sort=name")).toBe(texts[0] ?? "");
	expect(await hosts("sort=state")).toContain(words);
	nowMs += 1;
	expect(await hosts("sort=name")).toContain(words);
	for (let at = 0; at < 2 * FRAGMENTS_MAX; at++) await hosts(`q=${at}`);
	expect(asked).toHaveLength(2 * (3 + 2 * FRAGMENTS_MAX));
});

describe("parameters", () => {
	test("reach the tables, and those of one table leave the others alone", async () => {
		await ask(appOf(), "/?q=pds&state=offline&sort=-accounts&page=3&csort=sent&before=77");
		expect(asked).toContainEqual({
			search: "pds",
			status: "offline",
			sort: "accounts",
			descending: true,
			offset: 100,
			limit: 50,
		});
		expect(asked).toContainEqual({ sort: "sent", descending: false, offset: 0, limit: 50 });
		expect(asked).toContain(77);
	});

	test.each([
		"sort=nothing",
		"state=alive",
		"page=0",
		"page=10001",
		"page=1.5",
		"csort=--lag",
		"cpage=x",
		"before=-1",
		"before=x",
	])("%s is refused with its rule", async (query) => {
		const response = await ask(appOf(), `/?${query}`);
		expect(response.status).toBe(400);
		expect((await response.json()) as object).toMatchObject({ error: "InvalidRequest" });
	});
});

test("during a start the page shows its status, and says of the rest that it comes later", async () => {
	const starting = async () => refusal(503, "Starting", "the relay is starting");
	const live = new Live(() => reading({ isServing: false }), new FakeTiming());
	const app = appOf({
		control: fakeControl<Control>({
			liveText: async () => ({ ok: true, text: live.textSince(0) }),
			...{ hostTable: starting, consumerTable: starting, recentRejections: starting, actions: starting },
		}),
	});
	const response = await ask(app, "/");
	expect(response.status).toBe(200);
	const text = await response.text();
	expect(text).toContain("Starting");
	expect(text).toContain("Not now: the relay is starting");
});

test("a file of the page that has not changed is not sent again", async () => {
	const first = await ask(appOf(), "/dashboard/uplot.js");
	expect(first.headers.get("Content-Type")).toStartWith("text/javascript");
	const again = await ask(appOf(), "/dashboard/uplot.js", { "If-None-Match": first.headers.get("ETag") ?? "" });
	expect([again.status, await again.text()]).toEqual([304, ""]);
});
