import { beforeEach, describe, expect, test } from "bun:test";
import type { Hono } from "hono";
import type { Control, ControlResult, Requester } from "../../src/control/api.ts";
import { createAdminApp } from "../../src/http/admin.ts";
import type { ClientEnv } from "../../src/http/base.ts";
import { createXrpcApp } from "../../src/http/xrpc.ts";
import { Counters } from "../../src/observe/counters.ts";
import { SERVER_NAME } from "../../src/version.ts";
import { fakeControl } from "../control/fake-control.ts";

let crawls: [string, Requester][];
let resets: [string, number | null][];
let resetBy: Requester[];
let crawlResult: ControlResult;

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
	const app = createXrpcApp({
		read: async () => new Response(null, { status: 500 }),
		lookAtIndex: async () => undefined,
		control,
		counters: new Counters(),
	});
	return app.route("/", createAdminApp({ password, control }));
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
		const response = await app.request("/admin/nothing", { headers: { Authorization: basic("admin:s3cret") } });
		expect(response.status).toBe(404);
		expect(await response.json()).toMatchObject({ error: "NotFound" });
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
