import { afterAll, describe, expect, test } from "bun:test";
import { BodyTooLargeError, fetchBounded } from "../../src/net/bounded-fetch.ts";
import { ForbiddenTargetError, guardedFetch, type Lookup } from "../../src/net/guarded-fetch.ts";
import type { Fetch } from "../../src/net/outbound-fetch.ts";
import { CERTIFICATE, CERTIFICATE_KEY } from "./certificate.ts";

const URL_OF_HOST = new URL("https://pds.example.com/.well-known/did.json");

function resolvesTo(...addresses: string[]): Lookup {
	return async () => addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));
}

/** A fetch that sends nothing, and the requests that it got. */
function recorder(answer: () => Promise<Response> = async () => new Response("ok")) {
	const requests: { url: string; init: BunFetchRequestInit }[] = [];
	const fetch: Fetch = async (url, init) => {
		requests.push({ url: url.href, init });
		return answer();
	};
	return { requests, fetch };
}

describe("guardedFetch", () => {
	test("connects to the address that it checked, under the host's name", async () => {
		for (const [address, href] of [
			["93.184.215.14", "https://93.184.215.14/.well-known/did.json"],
			["2606:4700::1111", "https://[2606:4700::1111]/.well-known/did.json"],
		] as const) {
			const { requests, fetch } = recorder();
			const options = { allowInsecure: false, lookup: resolvesTo(address), fetch };
			const init: BunFetchRequestInit = { headers: { Accept: "text/plain" }, redirect: "follow" };
			expect(await (await guardedFetch(URL_OF_HOST, init, options)).text()).toBe("ok");
			expect(requests.map(({ url }) => url)).toEqual([href]);
			const sent = requests[0]?.init;
			expect([...new Headers(sent?.headers)]).toEqual([
				["accept", "text/plain"],
				["host", "pds.example.com"],
			]);
			expect(sent).toMatchObject({ redirect: "error", keepalive: false, tls: { serverName: "pds.example.com" } });
		}
	});

	test("refuses a name with any address that is not public, without a request", async () => {
		for (const addresses of [["127.0.0.1"], ["93.184.215.14", "10.0.0.1"], ["::1"], ["::ffff:10.0.0.1"], []]) {
			const { requests, fetch } = recorder();
			const options = { allowInsecure: false, lookup: resolvesTo(...addresses), fetch };
			await expect(guardedFetch(URL_OF_HOST, {}, options)).rejects.toThrow(ForbiddenTargetError);
			expect(requests).toEqual([]);
		}
	});

	test("refuses other schemes and ports, userinfo, addresses and reserved names, without a lookup", async () => {
		const lookup: Lookup = () => Promise.reject(new Error("looked up"));
		for (const url of [
			"http://pds.example.com/",
			"https://pds.example.com:8443/",
			"https://u:p@pds.example.com/",
			"https://93.184.215.14/",
			"https://0x7f000001/",
			"https://[2606:4700::1111]/",
			"https://localhost/",
			"https://metadata.internal/",
		]) {
			const asked = guardedFetch(new URL(url), {}, { allowInsecure: false, lookup, fetch: recorder().fetch });
			await expect(asked).rejects.toThrow(ForbiddenTargetError);
		}
	});

	test("tries the next address if one can't be reached, but not many", async () => {
		const { requests, fetch } = recorder(() => Promise.reject(new Error("unreachable")));
		const addresses = Array.from({ length: 50 }, (_, i) => `93.184.215.${i}`);
		const asked = guardedFetch(URL_OF_HOST, {}, { allowInsecure: false, lookup: resolvesTo(...addresses), fetch });
		await expect(asked).rejects.toThrow("unreachable");
		expect(requests.map(({ url }) => new URL(url).hostname)).toEqual(addresses.slice(0, 4));
	});

	test("does not wait for a lookup beyond its signal", async () => {
		const stop = new AbortController();
		const options = { allowInsecure: false, lookup: () => new Promise<never>(() => {}), fetch: recorder().fetch };
		const asked = guardedFetch(URL_OF_HOST, { signal: stop.signal }, options);
		stop.abort(new Error("no more time"));
		await expect(asked).rejects.toThrow("no more time");
	});

	test("follows no redirect, and asks any address if insecure hosts are allowed", async () => {
		using server = Bun.serve({
			port: 0,
			hostname: "127.0.0.1",
			fetch: ({ url }) => (url.endsWith("/from") ? Response.redirect("/to") : new Response("there")),
		});
		const ask = (path: string) => guardedFetch(new URL(path, server.url), {}, { allowInsecure: true });
		expect(await (await ask("/to")).text()).toBe("there");
		await expect(ask("/from")).rejects.toThrow("a redirect, which is not followed");
	});
});

describe("a certificate, with the connection pinned to an address", () => {
	const server = Bun.serve({
		port: 0,
		hostname: "127.0.0.1",
		tls: { cert: CERTIFICATE, key: CERTIFICATE_KEY },
		fetch: (request) => new Response(request.headers.get("host")),
	});
	afterAll(() => server.stop(true));

	/** Stands in for the internet's routing: every public address leads to this server. */
	const routed: Fetch = (url, init) => fetch(new URL(url.pathname, server.url), init);
	const options = { allowInsecure: false, lookup: resolvesTo("93.184.215.14"), fetch: routed };
	const init: BunFetchRequestInit = { tls: { ca: CERTIFICATE } };

	test("is checked against the host's name, and the host is asked by its name", async () => {
		expect(await (await guardedFetch(URL_OF_HOST, init, options)).text()).toBe("pds.example.com");
		const asked = guardedFetch(new URL("https://other.example.com/"), init, options);
		await expect(asked).rejects.toThrow("ERR_TLS_CERT_ALTNAME_INVALID");
	});
});

describe("fetchBounded", () => {
	const chunk = new Uint8Array(1_000);

	/** A server whose answer has `chunks` chunks. If that is infinite, the answer never ends. */
	function trickle(chunks: number, status = 200) {
		let sent = 0;
		return Bun.serve({
			port: 0,
			hostname: "127.0.0.1",
			fetch: () => {
				const pull = (controller: ReadableStreamDefaultController): void => {
					if (sent++ < chunks) controller.enqueue(chunk);
					else controller.close();
				};
				return new Response(new ReadableStream({ pull }), { status });
			},
		});
	}

	test("reads a body up to the limit", async () => {
		using server = trickle(3);
		const limits = { timeoutMs: 240_000, bytesMax: 3_000 };
		const { status, body } = await fetchBounded((signal) => fetch(server.url, { signal }), limits);
		expect([status, body.length]).toEqual([200, 3_000]);
	});

	test("stops reading beyond it", async () => {
		using server = trickle(Number.POSITIVE_INFINITY);
		const limits = { timeoutMs: 240_000, bytesMax: 3_000 };
		const asked = fetchBounded((signal) => fetch(server.url, { signal }), limits);
		await expect(asked).rejects.toThrow(BodyTooLargeError);
	});

	test("counts a compressed body as decompressed", async () => {
		using server = Bun.serve({
			port: 0,
			hostname: "127.0.0.1",
			fetch: () => new Response(Bun.gzipSync(new Uint8Array(1e6)), { headers: { "Content-Encoding": "gzip" } }),
		});
		const limits = { timeoutMs: 240_000, bytesMax: 3_000 };
		const asked = fetchBounded((signal) => fetch(server.url, { signal }), limits);
		await expect(asked).rejects.toThrow(BodyTooLargeError);
	});

	test("does not read the body of an error", async () => {
		using server = trickle(Number.POSITIVE_INFINITY, 500);
		const limits = { timeoutMs: 240_000, bytesMax: 3_000 };
		const { status, body } = await fetchBounded((signal) => fetch(server.url, { signal }), limits);
		expect([status, body.length]).toEqual([500, 0]);
	});

	test("ends in time if the headers or the rest of the body don't come", async () => {
		const never = new Promise<never>(() => {});
		const stall = new ReadableStream({ start: (controller) => controller.enqueue(chunk), pull: () => never });
		using server = Bun.serve({
			port: 0,
			hostname: "127.0.0.1",
			fetch: ({ url }) => (url.endsWith("/headers") ? never : new Response(stall)),
		});
		for (const path of ["/headers", "/body"]) {
			const limits = { timeoutMs: 50, bytesMax: 3_000 };
			const asked = fetchBounded((signal) => fetch(new URL(path, server.url), { signal }), limits);
			await expect(asked).rejects.toThrow("timed out");
		}
		server.stop(true);
	});
});
