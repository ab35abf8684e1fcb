import { beforeEach, describe, expect, test } from "bun:test";
import type { Hono } from "hono";
import * as v from "valibot";
import type { Control } from "../../src/control/api.ts";
import { createAdminApp } from "../../src/http/admin.ts";
import { type ClientEnv, createBaseApp } from "../../src/http/base.ts";
import { readBody } from "../../src/http/parameters.ts";
import { forwardToSiblings, SIBLING_QUEUE_BYTES_MAX, SIBLING_QUEUE_MAX } from "../../src/http/siblings.ts";
import { Counters } from "../../src/observe/counters.ts";
import { SERVER_NAME } from "../../src/version.ts";
import { fakeControl } from "../control/fake-control.ts";
import { countedBy } from "../observe/counted.ts";

const CRAWL = "/xrpc/com.atproto.sync.requestCrawl";
const SIBLINGS = ["https://a.relay.example", "https://b.relay.example"];
/** The calls that the reference relay passes on, and `suspend`, which it does not have. */
const PASSED_ON = [
	"/admin/pds/requestCrawl",
	"/admin/pds/changeLimits",
	"/admin/pds/block",
	"/admin/pds/unblock",
	"/admin/repo/takeDown",
	"/admin/repo/suspend",
	"/admin/repo/reverseTakedown",
	"/admin/subs/killUpstream",
	"/admin/subs/banDomain",
	"/admin/subs/unbanDomain",
];

interface Sent {
	url: string;
	method: string;
	headers: Headers;
	body: string;
}

let sent: Sent[];
/** How a sibling answers; null while it does not. */
let answer: (() => Response) | null;
let waiting: (() => void)[];
let counters: Counters;
let app: Hono<ClientEnv>;
let status: number;

beforeEach(() => {
	sent = [];
	waiting = [];
	answer = () => new Response("");
	status = 200;
	counters = new Counters();
	app = createBaseApp(counters);
	const forward = forwardToSiblings({
		origins: SIBLINGS,
		counters,
		fetch: async (url, { method = "", headers, body }) => {
			sent.push({ url: url.href, method, headers: new Headers(headers), body: await new Response(body).text() });
			if (answer === null) await new Promise<void>((resolve) => waiting.push(resolve));
			return (answer ?? (() => new Response("")))();
		},
	});
	app.use(forward);
	app.all("*", async (context) => {
		if (context.req.header("Content-Type") !== undefined) await readBody(v.unknown(), context, 1_000_000);
		return new Response("", { status });
	});
});

/** Lets the event loop do all that is to be done now. */
async function settle(): Promise<void> {
	for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate);
}

async function post(path: string, body: string | null = "{}", headers: Record<string, string> = {}): Promise<void> {
	await app.request(
		path,
		{
			method: "POST",
			headers: { "User-Agent": "curl/8", ...(body === null ? {} : { "Content-Type": "application/json" }), ...headers },
			...(body === null ? {} : { body }),
		},
		{ ip: "192.0.2.1" },
	);
	await settle();
}

describe("siblings", () => {
	test("get a call as it came, with the admin's password, and a word that a relay has passed it on", async () => {
		await post("/admin/pds/block?host=a.com&x=%2F", null, { Authorization: "Basic xyz", Cookie: "secret" });
		expect(sent.map(({ url }) => url)).toEqual(SIBLINGS.map((origin) => `${origin}/admin/pds/block?host=a.com&x=%2F`));
		await post("/admin/repo/takeDown", '{"did": "did:plc:x"}', { Authorization: "Basic xyz" });
		const last = sent.at(-1);
		expect([last?.method, last?.body]).toEqual(["POST", '{"did": "did:plc:x"}']);
		expect(Object.fromEntries(last?.headers ?? [])).toEqual({
			authorization: "Basic xyz",
			"content-type": "application/json",
			"user-agent": "curl/8",
			via: "HTTP/1.1 atproto-relay",
		});
		expect(sent.every(({ headers }) => !headers.has("cookie"))).toBe(true);
	});

	test("get the calls of the reference relay, and no others", async () => {
		const admin = createAdminApp({ passwords: ["x"], control: fakeControl<Control>({}), counters });
		const paths = new Set(admin.routes.filter(({ method }) => method !== "ALL").map(({ path }) => path));
		for (const path of [...paths, "/", "/admin/nothing", "/xrpc/com.atproto.sync.getRepo"]) await post(path);
		expect(new Set(sent.map(({ url }) => new URL(url).pathname))).toEqual(new Set(PASSED_ON));
		expect(sent).toHaveLength(2 * PASSED_ON.length);
		expect(PASSED_ON.every((path) => paths.has(path))).toBe(true);
	});

	test("get a stranger's request for a host without its password, once a minute, by its one name", async () => {
		for (const path of [CRAWL, "/xrpc/com.atproto.sync.notifyOfUpdate", CRAWL])
			await post(path, '{"hostname":"a.com"}', { Authorization: "Bearer xyz" });
		await post(CRAWL, '{"hostname":"b.com"}');
		expect(sent.map(({ url, body }) => [url, body])).toEqual(
			["a.com", "b.com"].flatMap((name) => SIBLINGS.map((origin) => [`${origin}${CRAWL}`, `{"hostname":"${name}"}`])),
		);
		expect(sent.every(({ headers }) => !headers.has("authorization"))).toBe(true);
	});

	test("get nothing that a relay has passed on, or that this one has refused; what it does not know, they may", async () => {
		await post("/admin/repo/takeDown", "{}", { Via: "1.1 proxy" });
		await post("/admin/repo/takeDown", "{}", { "User-Agent": "indigo-relay/1 (atproto-relay)" });
		await post("/admin/repo/takeDown", "{}", { "User-Agent": SERVER_NAME });
		for (const refused of [400, 401, 403, 413, 429, 500, 503]) {
			status = refused;
			await post("/admin/repo/takeDown");
			await post(CRAWL);
		}
		status = 404;
		await post(CRAWL);
		expect(sent).toEqual([]);
		await post("/admin/pds/changeLimits");
		expect(sent).toHaveLength(2);
	});

	test("get one call after another, in order, and are counted by what they answer", async () => {
		answer = null;
		const dids = Array.from({ length: 5 }, (_, at) => `{"did":"${at}"}`);
		for (const did of dids) await post("/admin/repo/takeDown", did);
		expect(sent).toHaveLength(2);
		answer = () => new Response("", { status: 500 });
		for (const go of waiting.splice(0)) go();
		await settle();
		const [origin = ""] = SIBLINGS;
		expect(sent.filter(({ url }) => url.startsWith(origin)).map(({ body }) => body)).toEqual(dids);
		answer = () => {
			throw new Error("unreachable");
		};
		await post("/admin/repo/takeDown");
		answer = () => new Response("");
		await post("/admin/repo/takeDown");
		expect(countedBy(counters, "sibling_requests_total")).toEqual({ refused: 10, failed: 2, accepted: 2 });
	});

	test("that do not answer cost a bounded number of calls, and of their bytes", async () => {
		answer = null;
		const long = `"${"x".repeat(400_000)}"`;
		for (let at = 0; at < 15; at++) await post("/admin/pds/changeLimits", long);
		const fit = Math.floor(SIBLING_QUEUE_BYTES_MAX / long.length);
		expect(countedBy(counters, "sibling_requests_total")).toEqual({ dropped: 2 * (15 - fit) });
		for (let at = 0; at < SIBLING_QUEUE_MAX; at++)
			await app.request("/admin/pds/block", { method: "POST" }, { ip: "192.0.2.1" });
		expect(countedBy(counters, "sibling_requests_total")).toEqual({ dropped: 2 * 15 });
	});
});
