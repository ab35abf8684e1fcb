import { beforeEach, describe, expect, test } from "bun:test";
import type { Hono } from "hono";
import type { Control, ControlResult, Requester } from "../../src/control/api.ts";
import { Health } from "../../src/control/health.ts";
import { createAdminApp } from "../../src/http/admin.ts";
import type { ClientEnv } from "../../src/http/base.ts";
import { createXrpcApp } from "../../src/http/xrpc.ts";
import { Counters } from "../../src/observe/counters.ts";
import type { Timing } from "../../src/runtime/timing.ts";
import { SERVER_NAME } from "../../src/version.ts";
import { fakeControl } from "../control/fake-control.ts";

let crawls: [string, Requester][];
let resets: [string, number | null][];
let resetBy: Requester[];
let crawlResult: ControlResult;

/** No answer to a wrong password waits. */
const AT_ONCE: Timing = {
	nowMs: () => 0,
	after(_delayMs, action) {
		action();
		return () => undefined;
	},
};

function appWith(password: string | null): Hono<ClientEnv> {
	const control = fakeControl<Control>({
		async requestCrawl(hostname, options) {
			crawls.push([hostname, options]);
			return crawlResult;
		},
		async resetCursor(hostname, cursor, by) {
			resetBy.push(by);
			resets.push([hostname, cursor]);
			return crawlResult;
		},
	});
	const counters = new Counters();
	const app = createXrpcApp({
		read: async () => new Response(null, { status: 500 }),
		health: new Health(),
		control,
		counters,
	});
	const passwords = password === null ? [] : [password];
	return app.route("/", createAdminApp({ passwords, control, counters, timing: AT_ONCE }));
}

const basic = (credentials: string): string => `Basic ${Buffer.from(credentials).toString("base64")}`;

function crawl(app: Hono<ClientEnv>, authorization?: string): Response | Promise<Response> {
	return app.request(
		"/admin/pds/requestCrawl",
		{
			method: "POST",
			headers: authorization === undefined ? {} : { Authorization: authorization },
			body: '{"hostname":"localhost:3000"}',
		},
		{ ip: "192.0.2.1" },
	);
}

beforeEach(() => {
	crawls = [];
	resets = [];
	resetBy = [];
	crawlResult = { ok: true };
});

describe("the admin API", () => {
	test("hands a crawl request on, with admin rights", async () => {
		const response = await crawl(appWith("s3cret:ü"), basic("admin:s3cret:ü"));
		expect(response.status).toBe(200);
		expect(await response.json()).toEqual({ success: "true" });
		expect(crawls).toEqual([["localhost:3000", { admin: true, ip: "192.0.2.1" }]]);
	});

	test("answers with the result", async () => {
		crawlResult = { ok: false, status: 403, error: "HostBanned", message: "banned" };
		const response = await crawl(appWith("s3cret"), basic("admin:s3cret"));
		expect(response.status).toBe(403);
		expect(await response.json()).toEqual({ error: "HostBanned", message: "banned" });
	});

	test.each([undefined, basic("admin:wrong"), basic("root:s3cret"), basic("admin:"), "Basic !!", "Bearer s3cret"])(
		"refuses %p",
		async (authorization) => {
			const response = await crawl(appWith("s3cret"), authorization);
			expect(response.status).toBe(401);
			expect(response.headers.get("www-authenticate")).toStartWith("Basic ");
			expect(response.headers.get("server")).toBe(SERVER_NAME);
			expect(await response.json()).toMatchObject({ error: "AuthenticationRequired" });
			expect(crawls).toEqual([]);
		},
	);

	test("is off without a password", async () => {
		const response = await crawl(appWith(null), basic("admin:"));
		expect(response.status).toBe(403);
		expect(await response.json()).toEqual({
			error: "AdminDisabled",
			message: expect.stringContaining("RELAY_ADMIN_PASSWORD"),
		});
		expect(crawls).toEqual([]);
	});

	test("asks for the password before it says that a path is unknown", async () => {
		const app = appWith("s3cret");
		expect((await app.request("/admin/nothing")).status).toBe(401);
		const headers = { Authorization: basic("admin:s3cret") };
		const response = await app.request("/admin/nothing", { headers }, { ip: "192.0.2.1" });
		expect(response.status).toBe(404);
		expect(await response.json()).toMatchObject({ error: "NotFound" });
	});
});

/** What browsers send for a page of each origin, by the request for `relay.example`; the others are programs. */
const SENDERS: [name: string, headers: Record<string, string>, isLetIn: boolean][] = [
	["a program", {}, true],
	["the relay's own page", { "Sec-Fetch-Site": "same-origin", Origin: "https://relay.example" }, true],
	["the address bar", { "Sec-Fetch-Site": "none" }, true],
	["the relay's own page in an older browser", { Origin: "https://relay.example" }, true],
	["a page elsewhere", { "Sec-Fetch-Site": "cross-site", Origin: "https://evil.example" }, false],
	["a page elsewhere, by a link", { "Sec-Fetch-Site": "cross-site" }, false],
	["a page of a neighbour", { "Sec-Fetch-Site": "same-site", Origin: "https://pds.relay.example" }, false],
	["a page elsewhere in an older browser", { Origin: "https://evil.example" }, false],
	["a page elsewhere in an older browser, on another port", { Origin: "https://relay.example:444" }, false],
	["a page without an origin, such as a file", { Origin: "null" }, false],
	["a page that lies about its origin", { "Sec-Fetch-Site": "cross-site", Origin: "https://relay.example" }, false],
];

describe("a browser with the password", () => {
	test.each(SENDERS)("that has %s ask is let in only for the relay's own pages", async (_name, headers, isLetIn) => {
		const response = await appWith("s3cret").request(
			"/admin/pds/requestCrawl",
			{
				method: "POST",
				// A form can send a body of this type without a preflight, and the browser adds the password that it has stored.
				headers: {
					...headers,
					"Content-Type": "text/plain",
					Host: "relay.example",
					Authorization: basic("admin:s3cret"),
				},
				body: '{"hostname":"localhost:3000"}',
			},
			{ ip: "192.0.2.1" },
		);
		expect([response.status, crawls.length]).toEqual(isLetIn ? [200, 1] : [403, 0]);
		if (!isLetIn) expect(await response.json()).toMatchObject({ error: "CrossOriginRefused" });
	});

	test("gets no leave by a preflight to send a page's own headers", async () => {
		const response = await appWith("s3cret").request("/admin/pds/requestCrawl", {
			method: "OPTIONS",
			headers: {
				Origin: "https://evil.example",
				"Access-Control-Request-Method": "POST",
				"Access-Control-Request-Headers": "authorization",
			},
		});
		expect(response.status).toBe(403);
		expect(response.headers.get("access-control-allow-headers")).toBeNull();
	});
});

describe("a reset of a host's cursor", () => {
	const reset = (body: unknown, authorization = basic("admin:s3cret")): Response | Promise<Response> =>
		appWith("s3cret").request(
			"/admin/pds/resetCursor",
			{ method: "POST", headers: { Authorization: authorization }, body: JSON.stringify(body) },
			{ ip: "192.0.2.1" },
		);

	test("goes to a given cursor, or to the live end", async () => {
		for (const body of [
			{ hostname: "a.com", cursor: 0 },
			{ hostname: "a.com", cursor: 2 ** 53 - 1 },
			{ hostname: "b.com" },
		]) {
			const response = await reset(body);
			expect([response.status, await response.json()]).toEqual([200, { success: "true" }]);
		}
		expect(resets).toEqual([
			["a.com", 0],
			["a.com", 2 ** 53 - 1],
			["b.com", null],
		]);
		expect(resetBy).toEqual(Array.from({ length: 3 }, () => ({ admin: true, ip: "192.0.2.1" })));
	});

	test("is refused with the fault that it has, and without the password", async () => {
		const cursors = [-1, 1.5, 2 ** 53, "7", null, {}];
		for (const body of [...cursors.map((cursor) => ({ hostname: "a.com", cursor })), {}, { hostname: 7 }, []]) {
			const response = await reset(body);
			expect([response.status, await response.json()]).toEqual([
				400,
				expect.objectContaining({ error: "InvalidRequest" }),
			]);
		}
		expect((await reset({ hostname: "a.com" }, basic("admin:wrong"))).status).toBe(401);
		expect(resets).toEqual([]);
		crawlResult = { ok: false, status: 404, error: "HostNotFound", message: "not known" };
		expect((await reset({ hostname: "a.com" })).status).toBe(404);
	});
});
