import { afterAll, describe, expect, test } from "bun:test";
import { createEdge, targetOf, withUrl } from "../../src/http/edge.ts";
import { Counters } from "../../src/observe/counters.ts";
import { Rng } from "../../src/sim/rng.ts";
import { counted } from "../observe/counted.ts";
import { exchange } from "../sim/raw-http.ts";

describe("the target of a request", () => {
	test.each([
		["http://relay.test/a?b=c", "/a", "?b=c"],
		["http://relay.test//evil/x", "//evil/x", ""],
		["/_health", "/_health", ""],
		["/_health?a=b", "/_health", "?a=b"],
		["//evil/x", "//evil/x", ""],
		["http://h:99999/_health?a=b", "/_health", "?a=b"],
		["http://a b<>/x", "/x", ""],
	])("%s", (requestUrl, pathname, search) => {
		const url = targetOf(requestUrl);
		expect([url?.pathname, url?.search]).toEqual([pathname, search]);
	});

	test.each(["", "*", "example.com:443", "mailto:a@b", "http://h:99999", "foo"])(
		"there is none in %p",
		(requestUrl) => {
			expect(targetOf(requestUrl)).toBeNull();
		},
	);

	test("of any bytes is a URL or none, and never throws", () => {
		const rng = new Rng("targets");
		for (let round = 0; round < 20_000; round++) {
			const start = rng.pick(["", "/", "//", "http://", "https://", "HTTP://", "x:", "http://h:99999/"]);
			const text = start + rng.text(rng.int(20), 'ab/:?#[]@%.\\ <>"\t\u0000é\ud800');
			const url = targetOf(text);
			if (url !== null) expect(["http:", "https:"]).toContain(url.protocol);
			if (text.startsWith("/")) expect(url).not.toBeNull();
		}
	});

	test("moves into a request, with its body", async () => {
		const request = new Request("http://localhost/a", { method: "POST", body: "text" });
		Object.defineProperty(request, "url", { value: "/a" });
		const moved = withUrl(request, new URL("http://localhost/a"));
		expect([moved.url, moved.method, await moved.text()]).toEqual(["http://localhost/a", "POST", "text"]);
	});
});

describe("a server at the edge", () => {
	const counters = new Counters();
	const server = Bun.serve({
		hostname: "127.0.0.1",
		port: 0,
		...createEdge<undefined, Response>((request, url) => {
			if (url.pathname === "/throw") throw new Error("a secret");
			if (url.pathname === "/reject") return Promise.reject(new Error("a secret"));
			return new Response(`${request.method} ${url.pathname}`);
		}, counters),
	});
	afterAll(() => server.stop(true));

	test.each([
		["no Host", "GET /a HTTP/1.0\r\n\r\n"],
		["an empty Host", "GET /a HTTP/1.1\r\nHost: \r\nConnection: close\r\n\r\n"],
		["a port that is none", "GET /a HTTP/1.1\r\nHost: h:99999\r\nConnection: close\r\n\r\n"],
		["a Host that is none", "GET /a HTTP/1.1\r\nHost: a b/<>\r\nConnection: close\r\n\r\n"],
		["a Host twice", "GET /a HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n"],
	])("answers with %s", async (_what, request) => {
		expect(await exchange(server.port ?? 0, request)).toMatch(/^HTTP\/1\.1 200 .*\r\n\r\nGET \/a$/s);
	});

	test.each(["CONNECT example.com:443", "CONNECT /", "TRACE /a"])("refuses %s, and closes", async (line) => {
		const answer = await exchange(server.port ?? 0, `${line} HTTP/1.1\r\nHost: h\r\n\r\n`);
		expect(answer).toMatch(/^HTTP\/1\.1 (405 .*"InvalidRequest"|400 )/s);
	});

	test.each(["throw", "reject"])("answers a fault of the relay in few words, and counts it: %s", async (how) => {
		const before = counted(counters).of("http_failures_total");
		const answer = await exchange(server.port ?? 0, `GET /${how} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n`);
		expect(answer).toMatch(/^HTTP\/1\.1 500 .*\{"error":"InternalServerError","message":"[^"]*"\}$/s);
		expect(answer).not.toContain("secret");
		expect(answer.toLowerCase()).toContain("access-control-allow-origin: *");
		expect(counted(counters).of("http_failures_total")).toBe(before + 1);
	});
});
