import { beforeEach, describe, expect, test } from "bun:test";
import { Counters } from "../../src/observe/counters.ts";
import { HANDLE_LIMITS, HandleResolver } from "../../src/why/handle.ts";
import { counted } from "../observe/counted.ts";
import { FakeTiming } from "../sim/fake-timing.ts";

const DID = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
const OTHER = "did:plc:44ybard66vv44zksje25o7dz";
const HANDLE = "alice.example.com";

type Records = string[][] | Error | Promise<string[][]>;

let timing: FakeTiming;
let counters: Counters;
let records: Record<string, Records>;
let addresses: string[];
let file: () => Response | Promise<Response>;
let fetched: string[];
let resolver: HandleResolver;

beforeEach(() => {
	timing = new FakeTiming();
	counters = new Counters();
	records = {};
	addresses = ["93.184.215.14"];
	file = () => new Response("", { status: 404 });
	fetched = [];
	resolver = new HandleResolver({
		guard: {
			allowInsecure: false,
			lookup: async () => addresses.map((address) => ({ address, family: 4 })),
			fetch: async (url, init) => {
				fetched.push(`${new Headers(init.headers).get("host")} ${new URL(url).pathname}`);
				return file();
			},
		},
		userAgent: "test",
		counters,
		async resolveTxt(name) {
			const found = records[name] ?? new Error("ENOTFOUND");
			if (found instanceof Error) throw found;
			return found;
		},
		timing,
	});
});

describe("a handle", () => {
	test.each([
		["a TXT record", [[`did=${DID}`]]],
		["one in pieces", [["did=", DID]]],
		["one among others", [["v=spf1"], [`did=${DID}`], ["did=nonsense"]]],
		["the same one twice", [[`did=${DID}`], [`did=${DID}`]]],
	])("is found by %s", async (_, texts) => {
		records[`_atproto.${HANDLE}`] = texts;
		file = () => new Response(OTHER);
		expect(await resolver.resolve(HANDLE, "a")).toEqual({ did: DID });
	});

	test("is found by a file of its host, if no TXT record names a DID", async () => {
		file = () => new Response(`${DID}\n`);
		expect(await resolver.resolve(HANDLE, "a")).toEqual({ did: DID });
		expect(fetched).toEqual([`${HANDLE} /.well-known/atproto-did`]);
	});

	test.each([
		["TXT records that name several DIDs", () => [[`did=${DID}`], [`did=${OTHER}`]], "several DIDs"],
		["no record and no file", () => new Error("ENOTFOUND"), "no TXT record"],
	])("leads nowhere by %s", async (_, texts, why) => {
		records[`_atproto.${HANDLE}`] = texts();
		expect(await resolver.resolve(HANDLE, "a")).toEqual({ missing: expect.stringContaining(why) });
	});

	test.each([
		["is no DID", () => new Response("<html>")],
		["is too long", () => new Response(`${DID}${" ".repeat(HANDLE_LIMITS.bodyBytesMax)}`)],
		["is not there", () => new Response(DID, { status: 404 })],
		["redirects", () => new Response(DID, { status: 302, headers: { Location: "https://other.example.com" } })],
		["can't be fetched", () => Promise.reject(new Error("connection refused 10.0.0.1"))],
	])("leads nowhere by a file that %s, and is told no more of it", async (_, answer) => {
		file = answer;
		const found = await resolver.resolve(HANDLE, "a");
		expect(found).toEqual({ missing: expect.stringContaining("no file") });
		expect(JSON.stringify(found)).not.toContain("10.0.0.1");
	});

	test("is asked of no address that is not public", async () => {
		for (const address of ["127.0.0.1", "10.0.0.1", "169.254.169.254"]) {
			addresses = ["93.184.215.14", address];
			expect(await resolver.resolve(`${address.replaceAll(".", "-")}.example.com`, address)).toHaveProperty("missing");
		}
		expect(fetched).toEqual([]);
	});

	test("whose name server does not answer is waited for only so long", async () => {
		records[`_atproto.${HANDLE}`] = new Promise(() => {});
		file = () => new Response(DID);
		const answer = resolver.resolve(HANDLE, "a");
		timing.pass(HANDLE_LIMITS.timeoutMs);
		expect(await answer).toEqual({ did: DID });
	});
});

describe("lookups", () => {
	test("are kept, those that led nowhere not as long", async () => {
		file = () => new Response(DID);
		for (let time = 0; time < 3; time++) await resolver.resolve(HANDLE, "a");
		expect(fetched).toHaveLength(1);
		timing.pass(HANDLE_LIMITS.foundMs);
		file = () => new Response("", { status: 404 });
		for (let time = 0; time < 3; time++) expect(await resolver.resolve(HANDLE, "a")).toHaveProperty("missing");
		expect(fetched).toHaveLength(2);
		timing.pass(HANDLE_LIMITS.missingMs);
		await resolver.resolve(HANDLE, "a");
		expect(fetched).toHaveLength(3);
	});

	test("of one handle that are asked for at once are one", async () => {
		file = () => new Response(DID);
		const answers = await Promise.all(Array.from({ length: 50 }, (_, at) => resolver.resolve(HANDLE, `client ${at}`)));
		expect(answers).toEqual(answers.map(() => ({ did: DID })));
		expect(fetched).toHaveLength(1);
	});

	test("are few for each client, and for all together, whatever they ask for", async () => {
		const { perClientBurst, burst } = HANDLE_LIMITS;
		const ask = (at: number, client: string) => resolver.resolve(`h${at}.example.com`, client);
		for (let at = 0; at < perClientBurst; at++) expect(await ask(at, "a")).toHaveProperty("missing");
		expect(await ask(100, "a")).toEqual({ busy: expect.stringContaining("your address") });
		for (let at = perClientBurst; at < burst; at++) expect(await ask(at, `client ${at}`)).toHaveProperty("missing");
		expect(await ask(101, "another")).toEqual({ busy: expect.stringContaining("too many") });
		expect(fetched).toHaveLength(burst);
		expect(counted(counters).all).toMatchObject({ handle_lookups_total: burst, handle_lookups_limited_total: 2 });
		// What is kept costs nothing.
		expect(await ask(0, "a")).toHaveProperty("missing");
		timing.pass(1_000 / HANDLE_LIMITS.perS);
		expect(await ask(102, "another")).toHaveProperty("missing");
	});

	test("are few at once", async () => {
		const { promise, resolve } = Promise.withResolvers<Response>();
		file = () => promise;
		const { atOnceMax } = HANDLE_LIMITS;
		const running = Array.from({ length: atOnceMax }, (_, at) => resolver.resolve(`h${at}.example.com`, `c${at}`));
		expect(await resolver.resolve("more.example.com", "more")).toHaveProperty("busy");
		resolve(new Response("", { status: 404 }));
		await Promise.all(running);
		expect(await resolver.resolve("more.example.com", "more")).toHaveProperty("missing");
	});
});
