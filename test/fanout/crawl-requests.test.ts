import { describe, expect, test } from "bun:test";
import { type CrawlRequestEvent, CrawlRequests } from "../../src/fanout/crawl-requests.ts";

describe("crawl requests", () => {
	test("get the answer to their own id", async () => {
		const events: CrawlRequestEvent[] = [];
		const requests = new CrawlRequests((event) => events.push(event));
		const results = [requests.request("a.test", { admin: false }), requests.request("localhost:3000", { admin: true })];
		expect(events).toEqual([
			{ type: "requestCrawl", id: 1, hostname: "a.test", admin: false },
			{ type: "requestCrawl", id: 2, hostname: "localhost:3000", admin: true },
		]);
		requests.settle(2, { ok: true });
		requests.settle(1, { ok: false, status: 400, error: "HostNotFound", message: "unreachable" });
		expect(await Promise.all(results)).toEqual([
			{ ok: false, status: 400, error: "HostNotFound", message: "unreachable" },
			{ ok: true },
		]);
	});

	test("end with 504 without an answer, and a late one does nothing", async () => {
		const requests = new CrawlRequests(() => undefined, 1);
		expect(await requests.request("a.test", { admin: false })).toMatchObject({ ok: false, status: 504 });
		requests.settle(1, { ok: true });
	});

	test("are bounded in number", async () => {
		const events: CrawlRequestEvent[] = [];
		const requests = new CrawlRequests((event) => events.push(event));
		const results = Array.from({ length: 64 }, () => requests.request("a.test", { admin: false }));
		expect(await requests.request("b.test", { admin: false })).toMatchObject({ ok: false, status: 429 });
		for (const { id } of events) requests.settle(id, { ok: true });
		await Promise.all(results);
		const next = requests.request("b.test", { admin: false });
		requests.settle(events.at(-1)?.id ?? 0, { ok: true });
		expect(await next).toEqual({ ok: true });
	});
});
