import { describe, expect, test } from "bun:test";
import { type CrawlRequestEvent, CrawlRequests, type ResetCursorEvent } from "../../src/fanout/crawl-requests.ts";

const STRANGER = { admin: false, ip: "192.0.2.1" };
const ADMIN = { admin: true, ip: "192.0.2.2" };

describe("crawl requests", () => {
	test("get the answer to their own id", async () => {
		const events: (CrawlRequestEvent | ResetCursorEvent)[] = [];
		const requests = new CrawlRequests((event) => events.push(event));
		const results = [requests.request("a.test", STRANGER), requests.request("localhost:3000", ADMIN)];
		expect(events).toEqual([
			{ type: "requestCrawl", id: 1, hostname: "a.test", by: STRANGER },
			{ type: "requestCrawl", id: 2, hostname: "localhost:3000", by: ADMIN },
		]);
		requests.settle(2, { ok: true });
		requests.settle(1, { ok: false, status: 400, error: "HostNotFound", message: "unreachable" });
		expect(await Promise.all(results)).toEqual([
			{ ok: false, status: 400, error: "HostNotFound", message: "unreachable" },
			{ ok: true },
		]);
	});

	test("and resets of a cursor share the ids", async () => {
		const events: (CrawlRequestEvent | ResetCursorEvent)[] = [];
		const requests = new CrawlRequests((event) => events.push(event));
		const results = [
			requests.resetCursor("a.test", null),
			requests.request("a.test", ADMIN),
			requests.resetCursor("a.test", 7),
		];
		expect(events).toEqual([
			{ type: "resetCursor", id: 1, hostname: "a.test", cursor: null },
			{ type: "requestCrawl", id: 2, hostname: "a.test", by: ADMIN },
			{ type: "resetCursor", id: 3, hostname: "a.test", cursor: 7 },
		]);
		for (const { id } of events) requests.settle(id, { ok: true });
		expect(await Promise.all(results)).toEqual([{ ok: true }, { ok: true }, { ok: true }]);
	});

	test("end with 504 without an answer, and a late one does nothing", async () => {
		const requests = new CrawlRequests(() => undefined, { max: 1, perAddressMax: 1, timeoutMs: 1 });
		expect(await requests.request("a.test", STRANGER)).toMatchObject({ ok: false, status: 504 });
		requests.settle(1, { ok: true });
	});

	test("are bounded in number, for each address and in all, but for admins", async () => {
		const events: (CrawlRequestEvent | ResetCursorEvent)[] = [];
		const limits = { max: 5, perAddressMax: 3, timeoutMs: 60_000 };
		const requests = new CrawlRequests((event) => events.push(event), limits);
		const ask = (ip: string) => requests.request("a.test", { admin: false, ip });
		const results = [ask("192.0.2.1"), ask("192.0.2.1"), ask("192.0.2.1")];
		expect(await ask("192.0.2.1")).toMatchObject({ status: 429, message: expect.stringContaining("your address") });
		results.push(ask("2001:db8::1"), ask("2001:db8::2"));
		expect(await ask("192.0.2.3")).toMatchObject({ status: 429, retryAfterS: 30 });
		const asAdmin = requests.request("a.test", ADMIN);
		for (const { id } of events) requests.settle(id, { ok: true });
		for (const result of await Promise.all([...results, asAdmin])) expect(result).toEqual({ ok: true });
		const next = ask("192.0.2.1");
		requests.settle(events.at(-1)?.id ?? 0, { ok: true });
		expect(await next).toEqual({ ok: true });
	});
});
