import { beforeEach, describe, expect, test } from "bun:test";
import type { Hono } from "hono";
import type { ControlResult, Requester } from "../../src/control/api.ts";
import { Health } from "../../src/control/health.ts";
import type { ClientEnv } from "../../src/http/base.ts";
import { createReadsApp } from "../../src/http/reads.ts";
import { createXrpcApp } from "../../src/http/xrpc.ts";
import { StoreBroken, StoreUnavailable } from "../../src/index/store-fault.ts";
import { Counters } from "../../src/observe/counters.ts";
import { isStorable } from "../../src/protocol/text.ts";
import { RateLimit } from "../../src/runtime/rate-limit.ts";
import { Rng } from "../../src/sim/rng.ts";
import { SERVER_NAME, VERSION } from "../../src/version.ts";
import { counted } from "../observe/counted.ts";
import { anyText } from "../sim/any-text.ts";
import { COMMIT_STRING, MemoryIndex } from "./memory-index.ts";
import { NO_WHY } from "./no-why.ts";

const IP = "192.0.2.1";
const DID = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
const OTHER_DID = "did:plc:44ybard66vv44zksje25o7dz";
const WEB_DID = "did:web:alice.example.com";

let index: MemoryIndex;
let health: Health;
let crawls: [string, Requester][];
let crawlResult: ControlResult;
let app: Hono<ClientEnv>;
let counters: Counters;
let nowMs: number;

beforeEach(() => {
	index = new MemoryIndex();
	health = new Health();
	health.isStarting = false;
	crawls = [];
	crawlResult = { ok: true };
	counters = new Counters();
	nowMs = 0;
	const rateLimit = new RateLimit({ perS: 1, burst: 1_000, keysMax: 10, nowMs: () => nowMs });
	const reads = createReadsApp({ index, counters, rateLimit, why: NO_WHY });
	app = createXrpcApp({
		read: async (target, ip) => reads.request(target, undefined, { ip }),
		health,
		counters,
		control: {
			async requestCrawl(hostname, options) {
				crawls.push([hostname, options]);
				return crawlResult;
			},
		},
	});
});

const call = async (method: string, init?: RequestInit): Promise<Response> =>
	app.request(`http://relay.test/xrpc/com.atproto.sync.${method}`, init, { ip: IP });

/** Status and JSON body. */
async function answerOf(method: string, init?: RequestInit): Promise<[number, unknown]> {
	const response = await call(method, init);
	return [response.status, await response.json()];
}

const post = (body: string): RequestInit => ({
	method: "POST",
	headers: { "Content-Type": "application/json" },
	body,
});

describe("every response", () => {
	test.each([
		["/", 200],
		["/_health", 200],
		["/xrpc/com.atproto.sync.getRepoStatus", 400],
		["/xrpc/com.atproto.sync.getRecord", 501],
		["/nothing", 404],
	])("%s names the relay and may be read from any origin", async (path, status) => {
		const response = await app.request(path, undefined, { ip: IP });
		expect(response.status).toBe(status);
		expect(response.headers.get("server")).toBe(SERVER_NAME);
		expect(response.headers.get("access-control-allow-origin")).toBe("*");
	});

	test("to a preflight allows what browsers ask for", async () => {
		const response = await call("listRepos", {
			method: "OPTIONS",
			headers: { Origin: "https://app.test", "Access-Control-Request-Method": "GET" },
		});
		expect(response.status).toBe(204);
		expect(response.headers.get("server")).toBe(SERVER_NAME);
		expect(response.headers.get("access-control-allow-origin")).toBe("*");
		expect(response.headers.get("access-control-allow-headers")).toContain("Authorization");
	});

	test("to a preflight allows the headers that it asks for, within bounds", async () => {
		const allowed = async (asked: string): Promise<string | null> => {
			const headers = { Origin: "https://app.test", "Access-Control-Request-Headers": asked };
			const response = await call("listRepos", { method: "OPTIONS", headers });
			expect(response.status).toBe(204);
			return response.headers.get("access-control-allow-headers");
		};
		const rng = new Rng("preflight");
		const name = () => rng.text(1 + rng.int(30), "abcdefghijklmnopqrstuvwxyz0123456789-_");
		for (let round = 0; round < 100; round++) {
			const asked = Array.from({ length: 1 + rng.int(12) }, name).join(rng.pick([",", ", "]));
			expect(await allowed(asked)).toBe(asked);
		}
		expect(await allowed("atproto-accept-labelers")).toBe("atproto-accept-labelers");
		for (const odd of ["", "a b", "a,,b", "a: b", "é", "a".repeat(2_000)])
			expect(await allowed(odd)).toBe("Authorization, Content-Type");
	});

	test("to a HEAD is that to the GET, without its body", async () => {
		const response = await app.request("/xrpc/_health", { method: "HEAD" });
		expect(response.status).toBe(200);
		expect(await response.text()).toBe("");
	});
});

test("the landing page says where the firehose is", async () => {
	const response = await app.request("/");
	expect(response.headers.get("content-type")).toStartWith("text/plain");
	expect(await response.text()).toContain("/xrpc/com.atproto.sync.subscribeRepos");
});

describe("_health", () => {
	test.each(["/_health", "/xrpc/_health"])("at %s", async (path) => {
		const response = await app.request(path);
		expect(await response.json()).toEqual({ status: "ok", version: VERSION });
		health.index = "database-unreachable";
		const unwell = await app.request(path);
		expect([unwell.status, await unwell.json()]).toEqual([503, { error: "Unhealthy", message: health.fault() }]);
	});

	test("asks no index", async () => {
		index.failing = true;
		expect((await app.request("/_health")).status).toBe(200);
	});
});

describe("errors", () => {
	test("an unknown method is not implemented", async () => {
		expect(await answerOf("getRecord")).toEqual([
			501,
			{ error: "MethodNotImplemented", message: expect.stringContaining("com.atproto.sync.getRecord") },
		]);
	});

	test("a known method with the wrong verb is 405", async () => {
		expect(await answerOf("requestCrawl")).toEqual([
			405,
			{ error: "InvalidRequest", message: "com.atproto.sync.requestCrawl takes POST only" },
		]);
		const response = await call("listHosts", { method: "POST" });
		expect(response.status).toBe(405);
		expect(response.headers.get("allow")).toBe("GET");
	});

	test("another path is not found", async () => {
		const response = await app.request("/favicon.ico");
		expect(response.status).toBe(404);
		expect(await response.json()).toMatchObject({ error: "NotFound" });
	});

	test("a fault of the relay shows no details", async () => {
		index.account = () => Promise.reject(new Error("secret path"));
		expect(await answerOf(`getRepoStatus?did=${DID}`)).toEqual([
			500,
			{ error: "InternalServerError", message: "the relay failed to answer this request" },
		]);
		expect(counted(counters).of("http_failures_total")).toBe(1);
	});

	test("an index that can't be read is 503, without the reason", async () => {
		for (const fault of [new StoreUnavailable("io-error", "by nowhere"), new StoreBroken("no table nowhere")]) {
			index.account = () => Promise.reject(fault);
			const response = await call(`getRepoStatus?did=${DID}`);
			expect([response.status, response.headers.get("retry-after")]).toEqual([503, "30"]);
			expect(await response.text()).not.toContain("nowhere");
		}
	});

	test("an error names the path, or its beginning", async () => {
		expect(await (await app.request("/a%20b", undefined, { ip: IP })).json()).toMatchObject({
			message: "there is nothing at /a b",
		});
		const { message } = (await (await app.request(`/${"x".repeat(5_000)}`)).json()) as { message: string };
		expect(message.length).toBeLessThan(300);
	});
});

describe("requestCrawl", () => {
	test.each(["requestCrawl", "notifyOfUpdate"])("%s hands the hostname on, without admin rights", async (method) => {
		const response = await call(method, post('{"hostname":"pds.example.com"}'));
		expect(response.status).toBe(200);
		expect(await response.text()).toBe("");
		expect(crawls).toEqual([["pds.example.com", { admin: false, ip: IP }]]);
	});

	test("answers with the result", async () => {
		crawlResult = { ok: false, status: 400, error: "HostNotFound", message: "unreachable" };
		expect(await answerOf("requestCrawl", post('{"hostname":"pds.example.com"}'))).toEqual([
			400,
			{ error: "HostNotFound", message: "unreachable" },
		]);
	});

	test.each([
		["", "JSON"],
		["{", "JSON"],
		["null", "hostname"],
		["[]", "hostname"],
		["{}", "hostname"],
		['{"hostname":7}', "hostname"],
		['{"hostname":""}', "empty"],
		[`{"hostname":"${"a".repeat(400)}"}`, "longer than"],
	])("refuses %p", async (body, rule) => {
		expect(await answerOf("requestCrawl", post(body))).toEqual([
			400,
			{ error: "InvalidRequest", message: expect.stringContaining(rule) },
		]);
		expect(crawls).toEqual([]);
	});

	test("refuses a long body", async () => {
		const [status, body] = await answerOf("requestCrawl", post(`{"hostname":"a.test","x":"${"x".repeat(20_000)}"}`));
		expect(status).toBe(413);
		expect(body).toMatchObject({ error: "PayloadTooLarge" });
		const endless = new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(1_000)) });
		expect((await call("requestCrawl", { method: "POST", body: endless })).status).toBe(413);
	});

	test("a body that ends early is the sender's fault", async () => {
		const broken = new ReadableStream({ pull: (controller) => controller.error(new Error("connection reset")) });
		expect(await answerOf("requestCrawl", { method: "POST", body: broken })).toEqual([
			400,
			{ error: "InvalidRequest", message: "the body ended early" },
		]);
		expect(counted(counters).of("http_failures_total")).toBe(0);
	});
});

describe("the limit on reads", () => {
	test("is per address, says when to ask again, and does not count requests that read nothing", async () => {
		const status = async (ip: string, path = "/xrpc/com.atproto.sync.listHosts"): Promise<Response> =>
			app.request(path, undefined, { ip });
		for (let at = 0; at < 1_000; at++) expect((await status("192.0.2.9")).status).toBe(200);
		const refused = await status("192.0.2.9");
		expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "1"]);
		expect(refused.headers.get("access-control-allow-origin")).toBe("*");
		expect(await refused.json()).toMatchObject({ error: "RateLimitExceeded" });
		expect(counted(counters).of("http_rate_limited_total")).toBe(1);
		expect((await status("192.0.2.10")).status).toBe(200);
		expect((await status("192.0.2.9", "/_health")).status).toBe(200);
		nowMs += 1_000;
		expect((await status("192.0.2.9")).status).toBe(200);
		expect((await status("192.0.2.9")).status).toBe(429);
	}, 300_000);
});

describe("listHosts", () => {
	test("lists hosts that have sent something, whatever their status", async () => {
		index.addHost("a.example.com", { cursor: 5, accountCount: 3 });
		index.addHost("never.example.com", { cursor: null });
		index.addHost("b.example.com", { status: "offline", cursor: 0 });
		expect(await answerOf("listHosts")).toEqual([
			200,
			{
				hosts: [
					{ hostname: "a.example.com", seq: 5, accountCount: 3, status: "active" },
					{ hostname: "b.example.com", seq: 0, accountCount: 0, status: "offline" },
				],
			},
		]);
	});

	test.each([1, 2, 3, 7, 8])("pages with limit %p give every host once", async (limit) => {
		for (let n = 1; n <= 14; n++) index.addHost(`h${n}.example.com`, n % 2 === 0 ? { cursor: null } : {});
		const seen: string[] = [];
		let cursor: string | undefined = "";
		let pages = 0;
		while (cursor !== undefined) {
			const response = await call(`listHosts?limit=${limit}&cursor=${cursor}`);
			const page = (await response.json()) as { cursor?: string; hosts: { hostname: string }[] };
			expect(page.hosts.length).toBeLessThanOrEqual(limit);
			seen.push(...page.hosts.map(({ hostname }) => hostname));
			cursor = page.cursor;
			pages++;
		}
		expect(seen).toEqual([1, 3, 5, 7, 9, 11, 13].map((n) => `h${n}.example.com`));
		expect(pages).toBe(Math.ceil(7 / limit));
	});

	test.each([
		"limit=0",
		"limit=1001",
		"limit=x",
		"limit=-1",
		"limit=",
		"cursor=x",
		"cursor=-1",
		"cursor=9999999999999999",
	])("refuses %s", async (query) => {
		expect(await answerOf(`listHosts?${query}`)).toEqual([
			400,
			{ error: "InvalidRequest", message: expect.stringContaining(query.split("=")[0] ?? "") },
		]);
	});
});

describe("getHostStatus", () => {
	test("takes the hostname in any case", async () => {
		index.addHost("a.example.com", { cursor: null, status: "idle" });
		expect(await answerOf("getHostStatus?hostname=A.Example.com")).toEqual([
			200,
			{ hostname: "a.example.com", accountCount: 0, status: "idle" },
		]);
	});

	test("of an unknown host, or of none", async () => {
		expect(await answerOf("getHostStatus?hostname=b.example.com")).toMatchObject([404, { error: "HostNotFound" }]);
		expect(await answerOf("getHostStatus")).toEqual([
			400,
			{ error: "InvalidRequest", message: "`hostname` is required" },
		]);
	});
});

describe("listRepos", () => {
	test("lists active accounts that have a repo", async () => {
		index.addAccount(DID);
		index.addAccount(OTHER_DID, { localStatus: "takendown" });
		index.addAccount("did:plc:aaaaaaaaaaaaaaaaaaaaaaaa", { rev: null, commit: null, data: null });
		index.addAccount(WEB_DID, { upstreamStatus: "desynchronized" });
		expect(await answerOf("listRepos")).toEqual([
			200,
			{
				repos: [
					{ did: DID, head: COMMIT_STRING, rev: "3l3qo2vuowo2b", active: true },
					{ did: WEB_DID, head: COMMIT_STRING, rev: "3l3qo2vuowo2b", active: true, status: "desynchronized" },
				],
			},
		]);
	});

	test("reads a bounded number of rows, and goes on from there", async () => {
		for (let n = 0; n < 30; n++) index.addAccount(`did:web:h${n}.example.com`, { upstreamActive: n === 29 });
		const first = (await (await call("listRepos?limit=1")).json()) as { cursor: string; repos: unknown[] };
		expect(first.repos).toEqual([]);
		const second = (await (await call(`listRepos?limit=1&cursor=${first.cursor}`)).json()) as { repos: unknown[] };
		expect(second).toMatchObject({ repos: [{ did: "did:web:h29.example.com" }] });
		expect(second).not.toHaveProperty("cursor");
	});
});

describe("getRepoStatus", () => {
	test("of an active account has its rev", async () => {
		index.addAccount(DID);
		expect(await answerOf(`getRepoStatus?did=${DID}`)).toEqual([200, { did: DID, active: true, rev: "3l3qo2vuowo2b" }]);
	});

	test("has the operator's status before the host's", async () => {
		index.addAccount(DID, { upstreamActive: false, upstreamStatus: "deactivated", localStatus: "takendown" });
		index.addAccount(OTHER_DID, { upstreamActive: false, upstreamStatus: "deactivated" });
		index.addAccount(WEB_DID, { upstreamActive: false });
		expect(await answerOf(`getRepoStatus?did=${DID}`)).toEqual([200, { did: DID, active: false, status: "takendown" }]);
		expect(await answerOf(`getRepoStatus?did=${OTHER_DID}`)).toEqual([
			200,
			{ did: OTHER_DID, active: false, status: "deactivated" },
		]);
		expect(await answerOf(`getRepoStatus?did=${WEB_DID}`)).toEqual([200, { did: WEB_DID, active: false }]);
	});

	test("of an unknown account, a malformed DID, or none", async () => {
		expect(await answerOf(`getRepoStatus?did=${DID}`)).toMatchObject([404, { error: "RepoNotFound" }]);
		expect(await answerOf("getRepoStatus?did=alice.example.com")).toEqual([
			400,
			{ error: "InvalidRequest", message: expect.stringContaining("`did` must be a DID") },
		]);
		expect(await answerOf("getRepoStatus")).toEqual([400, { error: "InvalidRequest", message: "`did` is required" }]);
	});
});

const INACTIVE = [
	["takendown", "RepoTakendown"],
	["suspended", "RepoSuspended"],
	["deactivated", "RepoDeactivated"],
	["deleted", "RepoDeleted"],
	["throttled", "RepoInactive"],
	["constructor", "RepoInactive"],
	[null, "RepoInactive"],
] as const;

describe("getLatestCommit", () => {
	test("gives the commit", async () => {
		index.addAccount(DID);
		expect(await answerOf(`getLatestCommit?did=${DID}`)).toEqual([200, { cid: COMMIT_STRING, rev: "3l3qo2vuowo2b" }]);
	});

	test("of an account without a repo", async () => {
		index.addAccount(DID, { rev: null, commit: null, data: null });
		expect(await answerOf(`getLatestCommit?did=${DID}`)).toMatchObject([404, { error: "RepoNotSynchronized" }]);
		expect(await answerOf(`getLatestCommit?did=${OTHER_DID}`)).toMatchObject([404, { error: "RepoNotFound" }]);
	});

	test.each(INACTIVE)("of an account that is %s is %s", async (upstreamStatus, error) => {
		index.addAccount(DID, { upstreamActive: false, upstreamStatus });
		expect(await answerOf(`getLatestCommit?did=${DID}`)).toMatchObject([403, { error }]);
	});
});

describe("getRepo", () => {
	const locationOf = async (query: string): Promise<[number, string | null]> => {
		const response = await call(`getRepo?${query}`);
		return [response.status, response.headers.get("location")];
	};

	test("redirects to the PDS of the DID document, with the query", async () => {
		index.addHost("old.example.com");
		index.addAccount(DID);
		const pds = "https://pds.example.com";
		index.identityRows.push({ did: DID, signingKey: null, pds, tombstoned: false, resolvedAtMs: 1 });
		expect(await locationOf(`did=${DID}&since=3l3qo2vuowo2b`)).toEqual([
			302,
			`https://pds.example.com/xrpc/com.atproto.sync.getRepo?did=${DID}&since=3l3qo2vuowo2b`,
		]);
	});

	test("redirects to the account's host if there is no DID document", async () => {
		index.addHost("a.example.com");
		index.addHost("localhost:3000", { insecure: true });
		index.addAccount(DID, { host: 1 });
		index.addAccount(OTHER_DID, { host: 2 });
		index.addAccount(WEB_DID, { host: 7 });
		expect(await locationOf(`did=${DID}`)).toEqual([
			302,
			`https://a.example.com/xrpc/com.atproto.sync.getRepo?did=${DID}`,
		]);
		expect(await locationOf(`did=${OTHER_DID}`)).toEqual([
			302,
			`http://localhost:3000/xrpc/com.atproto.sync.getRepo?did=${OTHER_DID}`,
		]);
		expect(await locationOf(`did=${WEB_DID}`)).toEqual([404, null]);
	});

	test.each(INACTIVE)("of an account that is %s is %s", async (upstreamStatus, error) => {
		index.addHost("a.example.com");
		index.addAccount(DID, { upstreamActive: false, upstreamStatus });
		expect(await answerOf(`getRepo?did=${DID}`)).toMatchObject([403, { error }]);
	});
});

describe("a text with a NUL or half of a surrogate pair", () => {
	test("in a query is refused, and never looked up", async () => {
		const rng = new Rng("odd queries");
		const parameters: Record<string, string> = {
			getHostStatus: "hostname",
			getRepoStatus: "did",
			getLatestCommit: "did",
			getRepo: "did",
			listRepos: "cursor",
			listHosts: "limit",
		};
		const statuses = new Set<number>();
		for (let at = 0; at < 2_000; at++) {
			const method = rng.pick(Object.keys(parameters));
			const text = anyText(rng);
			// As percent-encoded UTF-8, also of what UTF-8 does not allow.
			const encoded = rng.pick([
				encodeURIComponent(text.toWellFormed()),
				`${text.toWellFormed()}%00`,
				"%ED%A0%80",
				"a%C0%80",
			]);
			nowMs += 1_000;
			const { status } = await call(`${method}?${parameters[method]}=${encoded}`);
			statuses.add(status);
			expect(status).toBeLessThan(500);
			expect(index.askedFor.filter((asked) => !isStorable(asked))).toEqual([]);
		}
		expect([...statuses].sort()).toEqual([200, 400, 404]);
		expect(await answerOf("getHostStatus?hostname=a%00.example.com")).toEqual([
			400,
			{ error: "InvalidRequest", message: expect.stringContaining("NUL") },
		]);
	});

	test("in a body is refused, whether it is escaped or not", async () => {
		for (const hostname of ["a\\u0000.example.com", "\\ud800", "a.example.com\\udc00", "\\udc00\\ud800"]) {
			expect(await answerOf("requestCrawl", post(`{"hostname":"${hostname}"}`))).toEqual([
				400,
				{ error: "InvalidRequest", message: expect.stringContaining("NUL") },
			]);
		}
		const unescaped = Buffer.concat([Buffer.from('{"hostname":"'), Buffer.of(0xed, 0xa0, 0x80), Buffer.from('"}')]);
		expect((await call("requestCrawl", { method: "POST", body: unescaped })).status).toBe(400);
		expect(crawls).toEqual([]);
		expect((await call("requestCrawl", post('{"hostname":"\\ud83d\\udeb0"}'))).status).toBe(200);
	});
});
