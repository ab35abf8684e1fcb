import { describe, expect, test } from "bun:test";
import type { Control } from "../../src/control/api.ts";
import { createAdminApp } from "../../src/http/admin.ts";
import { createBaseApp } from "../../src/http/base.ts";
import { Counters } from "../../src/observe/counters.ts";
import type { Timing } from "../../src/runtime/timing.ts";
import { fakeControl } from "../control/fake-control.ts";

const RIGHT = { Authorization: `Basic ${btoa("admin:s3cret")}` };
/** No answer to a wrong password waits. */
const AT_ONCE: Timing = {
	nowMs: () => 0,
	after(_delayMs, action) {
		action();
		return () => undefined;
	},
};

/** The admin API, with a control thread that must not be asked for anything: such a call would be answered with 500. */
const counters = new Counters();
const admin = createAdminApp({
	passwords: ["s3cret"],
	control: fakeControl<Control>({}),
	counters,
	timing: AT_ONCE,
});
const app = createBaseApp(counters).route("/", admin);
/** Each request comes from another address, so that none is limited. */
let requests = 0;

const ROUTES = admin.routes.filter(({ method }) => method !== "ALL").map(({ method, path }) => ({ method, path }));

/** Paths of the reference relay for what this one does not do. */
const NOT_IMPLEMENTED: ReadonlySet<string> = new Set(["/admin/alerts/accountLimitSent"]);

async function statusOf(method: string, path: string, headers: Record<string, string>, body = "{}"): Promise<number> {
	const init = { method, headers, ...(method === "GET" ? {} : { body }) };
	return (await app.request(path, init, { ip: `10.0.${requests++ % 256}.1` })).status;
}

describe.each(ROUTES)("$method $path", ({ method, path }) => {
	test("is for the operator only", async () => {
		expect(await statusOf(method, path, {})).toBe(401);
		for (const credentials of ["admin:wrong", "admin:", "root:s3cret", "s3cret"])
			expect(await statusOf(method, path, { Authorization: `Basic ${btoa(credentials)}` })).toBe(401);
		expect(await statusOf(method, path, { ...RIGHT, "Sec-Fetch-Site": "cross-site" })).toBe(403);
	});

	test("answers with an error of the sender if what it is asked for is wrong", async () => {
		if (method === "GET") return;
		for (const body of [
			"",
			"{",
			"7",
			"null",
			'"x"',
			'{"did":7,"host":7,"hostname":7,"Domain":7,"accountLimit":"x"}',
			"\xff",
		])
			expect([body, await statusOf(method, path, RIGHT, body)]).toEqual([body, NOT_IMPLEMENTED.has(path) ? 501 : 400]);
	});
});

test("there are routes", () => {
	expect(ROUTES.length).toBeGreaterThan(20);
});
