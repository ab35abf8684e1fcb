import { describe, expect, test } from "bun:test";
import {
	listRelay,
	PAGE_BYTES_MAX,
	PAGE_PAUSE_MS,
	PAGES_MAX,
	TRIES_MAX,
} from "../../../src/hosts/sources/relay-listing.ts";
import { LISTED_HOSTS_MAX, type ListedHosts, SourceError } from "../../../src/hosts/sources/source.ts";
import type { Fetch } from "../../../src/net/outbound-fetch.ts";
import { Rng } from "../../../src/sim/rng.ts";
import { FakeRelay, type ListedHost } from "./fake-relay.ts";

const RELAY = "https://relay.example.com";

let paused: number[];

async function listed(fetch: Fetch, signal = new AbortController().signal): Promise<ListedHosts[]> {
	paused = [];
	const sleep = async (ms: number): Promise<void> => {
		paused.push(ms);
	};
	return await Array.fromAsync(listRelay({ relay: RELAY, userAgent: "standpipe/test", signal, fetch, sleep }));
}

/** The fault with which a listing ends. */
async function faultOf(fetch: Fetch): Promise<string> {
	const error: unknown = await listed(fetch).catch((error: unknown) => error);
	expect(error).toBeInstanceOf(SourceError);
	return error instanceof Error ? error.message : "";
}

describe("the hosts of another relay", () => {
	test("come once each, in its order, whatever its pages and its failures are", async () => {
		const rng = new Rng("relay listing");
		const statuses = ["active", "idle", "throttled", "offline", "banned", "new-status", null];
		for (let round = 0; round < 100; round++) {
			const hosts = Array.from({ length: rng.int(300) }, (_, at): ListedHost => {
				const status = rng.pick(statuses);
				return { hostname: `pds${at}.example.com`, ...(status === null ? {} : { status }) };
			});
			const relay = new FakeRelay(hosts, rng, rng.int(TRIES_MAX));
			const pages = await listed(relay.fetch);
			const followed = hosts.filter(({ status }) => status !== "offline" && status !== "banned");
			expect(pages.flatMap(({ hostnames }) => hostnames)).toEqual(followed.map(({ hostname }) => hostname));
			const omitted = pages.reduce((sum, page) => sum + page.omitted, 0);
			expect(omitted).toBe(hosts.length - followed.length);
			expect([...relay.userAgents]).toEqual(["standpipe/test"]);
			// It waits before each request but the first.
			expect(paused).toHaveLength(relay.asked.length - 1);
			expect(Math.min(PAGE_PAUSE_MS, ...paused)).toBe(PAGE_PAUSE_MS);
		}
	});

	test("are asked for again after as long as the other relay says, up to five times a page", async () => {
		let asked = 0;
		const busy: Fetch = async () => {
			asked++;
			return new Response(null, { status: 429, headers: { "Retry-After": "3" } });
		};
		expect(await faultOf(busy)).toBe(`${RELAY}: listHosts answers HTTP 429`);
		expect([asked, paused]).toEqual([TRIES_MAX, Array(TRIES_MAX - 1).fill(3_000)]);
		const away: Fetch = () => Promise.reject(new Error("the connection was refused"));
		expect(await faultOf(away)).toContain("the connection was refused");
		expect(paused).toEqual([1_000, 2_000, 4_000, 8_000]);
	});

	test.each([
		["not found", () => new Response(null, { status: 404 }), "HTTP 404"],
		["no JSON", () => new Response("<html>"), "no list of hosts"],
		["another answer", () => Response.json({ repos: [] }), "no list of hosts"],
		["a name that is none", () => Response.json({ hosts: [{ hostname: 7 }] }), "no list of hosts"],
		["the same cursor again", () => Response.json({ hosts: [], cursor: "x" }), "a cursor twice"],
		["a long cursor", () => Response.json({ hosts: [], cursor: "x".repeat(5_000) }), "too long"],
	])("are given up at once after %s", async (_, answer, fault) => {
		let asked = 0;
		expect(
			await faultOf(async () => {
				asked++;
				return answer();
			}),
		).toContain(fault);
		expect(asked).toBeLessThanOrEqual(2);
	});

	test("have limits: bytes of a page, pages, hosts", async () => {
		expect(await faultOf(async () => new Response("x".repeat(PAGE_BYTES_MAX + 1)))).toContain(
			`${PAGE_BYTES_MAX} bytes`,
		);
		let pages = 0;
		const endless: Fetch = async () => Response.json({ hosts: [], cursor: String(++pages) });
		expect(await faultOf(endless)).toContain(`more than ${PAGES_MAX} pages`);
		expect(pages).toBe(PAGES_MAX);
		const hosts = Array.from({ length: 1_000 }, (_, at) => ({ hostname: `a${at}.com` }));
		const many: Fetch = async () => Response.json({ hosts, cursor: String(++pages) });
		expect(await faultOf(many)).toContain(`more than ${LISTED_HOSTS_MAX} hosts`);
	});

	test("end with the signal", async () => {
		const stopping = new AbortController();
		const reason = new Error("stopped");
		const answer: Fetch = async () => {
			stopping.abort(reason);
			throw new Error("the request was ended");
		};
		await expect(listed(answer, stopping.signal)).rejects.toBe(reason);
	});
});
