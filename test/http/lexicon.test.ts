import { beforeEach, describe, expect, test } from "bun:test";
import { mainSchema as getHostStatus } from "@atcute/atproto/types/sync/getHostStatus";
import { mainSchema as getLatestCommit } from "@atcute/atproto/types/sync/getLatestCommit";
import { mainSchema as getRepo } from "@atcute/atproto/types/sync/getRepo";
import { mainSchema as getRepoStatus } from "@atcute/atproto/types/sync/getRepoStatus";
import { mainSchema as listHosts } from "@atcute/atproto/types/sync/listHosts";
import { mainSchema as listRepos } from "@atcute/atproto/types/sync/listRepos";
import { mainSchema as notifyOfUpdate } from "@atcute/atproto/types/sync/notifyOfUpdate";
import { mainSchema as requestCrawl } from "@atcute/atproto/types/sync/requestCrawl";
import { safeParse } from "@atcute/lexicons/validations";
import type { Hono } from "hono";
import { Health } from "../../src/control/health.ts";
import type { ClientEnv } from "../../src/http/base.ts";
import { createReadsApp } from "../../src/http/reads.ts";
import { createXrpcApp } from "../../src/http/xrpc.ts";
import { Counters } from "../../src/observe/counters.ts";
import { INTEGER_MAX } from "../../src/protocol/limits.ts";
import { isStorable } from "../../src/protocol/text.ts";
import { RateLimit } from "../../src/runtime/rate-limit.ts";
import { Rng } from "../../src/sim/rng.ts";
import { anyUtf8Text } from "../sim/any-text.ts";
import { MemoryIndex } from "./memory-index.ts";
import { NO_WHY } from "./no-why.ts";

/** Queries for every method, generated beside the lexicon: what it allows is answered, what it does not is refused by the name of the rule. */
const QUERIES = 8_000;
const BODIES = 3_000;
const IP = "192.0.2.1";

const LEXICONS = { listHosts, getHostStatus, listRepos, getRepoStatus, getLatestCommit, getRepo } as const;
type Method = keyof typeof LEXICONS;
const METHODS = Object.keys(LEXICONS) as Method[];

/** Names of errors that a valid query may have, by the method. */
const ERRORS: Record<Method, readonly string[]> = {
	listHosts: [],
	listRepos: [],
	getHostStatus: ["HostNotFound"],
	getRepoStatus: ["RepoNotFound"],
	getLatestCommit: [
		...["RepoNotFound", "RepoTakendown", "RepoSuspended", "RepoDeactivated"],
		...["RepoDeleted", "RepoInactive", "RepoNotSynchronized"],
	],
	getRepo: ["RepoNotFound", "RepoTakendown", "RepoSuspended", "RepoDeactivated", "RepoDeleted", "RepoInactive"],
};

let app: Hono<ClientEnv>;
let index: MemoryIndex;
let crawled: string[];

beforeEach(() => {
	index = new MemoryIndex();
	crawled = [];
	const counters = new Counters();
	const rateLimit = new RateLimit({ perS: 1, burst: 1_000_000, keysMax: 10, nowMs: () => 0 });
	const reads = createReadsApp({ index, counters, rateLimit, why: NO_WHY });
	app = createXrpcApp({
		read: async (target, ip) => reads.request(target, undefined, { ip }),
		health: new Health(),
		counters,
		control: {
			async requestCrawl(hostname) {
				crawled.push(hostname);
				return { ok: true };
			},
		},
	});
});

const call = async (method: string, init?: RequestInit): Promise<Response> =>
	app.request(`http://relay.test/xrpc/com.atproto.sync.${method}`, init, { ip: IP });

const PLC_CHARS = "abcdefghijklmnopqrstuvwxyz234567";

/** Accounts in every state, and hosts. */
function fill(rng: Rng): void {
	const statuses = ["takendown", "suspended", "deactivated", "deleted", "throttled", "desynchronized", "odd", null];
	for (let at = 0; at < 60; at++) {
		index.addHost(`pds${at}.example.com`, { cursor: rng.int(3) === 0 ? null : at, accountCount: at });
		index.addAccount(`did:plc:${rng.text(24, PLC_CHARS)}`, {
			...{ host: 1 + at, upstreamActive: rng.int(2) === 0, upstreamStatus: rng.pick(statuses) },
			localStatus: rng.pick([null, null, null, "takendown", "suspended"]),
			...(rng.int(4) === 0 ? { rev: null, commit: null, data: null } : {}),
		});
	}
}

/** Texts for each parameter, good, bad and odd. */
const DRAW: Record<string, (rng: Rng) => string> = {
	limit: (rng) =>
		rng.pick([
			...[String(1 + rng.int(1_000)), String(1 + rng.int(1_000)), "1", "1000", "007"],
			...["0", "1001", "-1", "1.5", "1e2", "0x10", "", " 1", "NaN", "9".repeat(30), anyUtf8Text(rng)],
		]),
	cursor: (rng) =>
		rng.pick([
			"",
			"0",
			String(rng.int(200)),
			String(INTEGER_MAX),
			String(INTEGER_MAX + 1),
			"-1",
			"x",
			anyUtf8Text(rng),
		]),
	did: (rng) =>
		rng.pick([
			...[rng.pick(index.accountRows).did, rng.pick(index.accountRows).did, `did:plc:${rng.text(24, PLC_CHARS)}`],
			...["did:web:a.example.com", "did:web:localhost%3A1", `did:x:${"a".repeat(2_042)}`, `did:x:${"a".repeat(2_043)}`],
			...["", "did:", "did:plc:", "DID:plc:a", "did:plc:a b", "did:plc:a:", "alice.example.com", anyUtf8Text(rng)],
		]),
	since: (rng) =>
		rng.pick([
			"3jzfcijpj2z2a",
			"3l3qo2vuowo2b",
			"2222222222222",
			"3jzfcijpj2z2",
			"zzzzzzzzzzzzz",
			"",
			anyUtf8Text(rng),
		]),
	hostname: (rng) =>
		rng.pick([
			...[`pds${rng.int(80)}.example.com`, `PDS${rng.int(80)}.Example.Com`, "", "a".repeat(1_000)],
			...["https://pds1.example.com", "192.0.2.1", anyUtf8Text(rng)],
		]),
};

/** Writes a text into a query: characters that need not be encoded are encoded now and then. */
function encode(rng: Rng, text: string): string {
	return [...text]
		.map((char) => {
			if (rng.int(4) > 0) return encodeURIComponent(char);
			return [...new TextEncoder().encode(char)].map((byte) => `%${byte.toString(16).padStart(2, "0")}`).join("");
		})
		.join("");
}

/** The parameters that break a rule: the lexicon's, or one of ours where the lexicon leaves it open. */
function faultyOf(method: Method, given: Readonly<Record<string, string>>): string[] {
	const { limit, ...others } = given;
	const isInteger = limit !== undefined && /^-?\d{1,16}$/.test(limit);
	const input = limit === undefined ? others : { ...others, limit: isInteger ? Number(limit) : limit };
	const result = safeParse(LEXICONS[method].params, input);
	const faulty = result.ok ? [] : result.issues.map(({ path }) => String(path[0]));
	if (faulty.length > 0) return faulty;
	const { cursor, hostname } = given;
	if (Object.values(given).some((text) => !isStorable(text))) return ["text"];
	if (cursor !== undefined && (!/^\d{0,16}$/.test(cursor) || Number(cursor) > INTEGER_MAX)) return ["cursor"];
	if (hostname !== undefined && (hostname === "" || hostname.length > 300)) return ["hostname"];
	return [];
}

describe("queries", () => {
	test("of every method are answered if its lexicon allows them, in the form that it asks for, and refused else", async () => {
		const rng = new Rng("queries by lexicon");
		fill(rng);
		const seen = new Map<string, number>();
		for (let at = 0; at < QUERIES; at++) {
			const method = rng.pick(METHODS);
			const names = Object.keys(LEXICONS[method].params.shape).filter(() => rng.int(8) > 0);
			const given = Object.fromEntries(names.map((name) => [name, DRAW[name]?.(rng) ?? ""]));
			const pairs = Object.entries(given).map(([name, text]) => `${name}=${encode(rng, text)}`);
			if (rng.int(4) === 0) pairs.push(`other=${encode(rng, anyUtf8Text(rng))}`);
			const query = rng.shuffled(pairs).join("&");
			const response = await call(`${method}?${query}`, { redirect: "manual" });
			const faulty = faultyOf(method, given);
			const body: unknown = response.status === 302 ? null : await response.json();
			const error = (body as { error?: string } | null)?.error ?? "none";
			seen.set(`${response.status} ${error}`, (seen.get(`${response.status} ${error}`) ?? 0) + 1);
			if (faulty.length > 0) {
				const message = expect.stringMatching(new RegExp(faulty.join("|")));
				expect([query, response.status, body]).toEqual([query, 400, { error: "InvalidRequest", message }]);
			} else if (response.status === 200) {
				const { output } = LEXICONS[method];
				if (output.type === "lex") expect([query, safeParse(output.schema, body).ok]).toEqual([query, true]);
			} else if (response.status === 302) {
				// A URL has some characters encoded that a query may have as they are.
				const { search } = new URL(`http://relay.test/?${query}`);
				expect(new URL(response.headers.get("location") ?? "").search).toBe(search);
			} else {
				expect([query, ERRORS[method].includes(error)]).toEqual([query, true]);
			}
		}
		const names = [...new Set(Object.values(ERRORS).flat())];
		for (const name of [...names, "InvalidRequest"])
			expect([...seen.keys()].filter((key) => key.endsWith(` ${name}`))).toHaveLength(1);
		for (const ok of ["200 none", "302 none"]) expect(seen.get(ok)).toBeGreaterThan(10);
	});

	test("name the whole rule of a parameter", async () => {
		const messageOf = async (query: string): Promise<string> =>
			((await (await call(query)).json()) as { message: string }).message;
		expect(await messageOf("listRepos?limit=1001")).toBe("`limit` must be an integer from 1 to 1000");
		expect(await messageOf("listRepos?limit=ten")).toBe("`limit` must be an integer from 1 to 1000");
		expect(await messageOf("getRepo")).toBe("`did` is required");
		expect(await messageOf("getRepo?did=x")).toBe("`did` must be a DID, such as did:plc:ewvi7nxzyoun6zhxrhs64oiz");
		expect(await messageOf("getRepo?did=did:web:a.com&since=x")).toBe("`since` must be a TID, such as 3jzfcijpj2z2a");
	});
});

/** A value of JSON, of any type. */
function anyJson(rng: Rng): unknown {
	return rng.pick([null, true, 7, 1.5, "text", [], ["a"], {}, { hostname: "a.com" }]);
}

function drawInput(rng: Rng): unknown {
	const hostname = rng.pick([`pds${rng.int(9)}.example.com`, "é.example.com", "\u{1f6b0}", anyUtf8Text(rng), ""]);
	const whole = { hostname: rng.int(3) === 0 ? anyJson(rng) : hostname };
	return rng.pick([whole, whole, { ...whole, other: anyJson(rng) }, [whole], anyJson(rng)]);
}

/** The bytes in pieces of any length, such as a network may make of them. */
function inPieces(rng: Rng, bytes: Uint8Array): ReadableStream {
	let at = 0;
	return new ReadableStream({
		async pull(controller) {
			const end = Math.min(bytes.length, at + 1 + rng.int(7));
			if (at < bytes.length) controller.enqueue(bytes.slice(at, end));
			at = end;
			if (at >= bytes.length) controller.close();
		},
	});
}

test("bodies of requestCrawl and notifyOfUpdate are taken if the lexicon allows them, in whatever pieces they come", async () => {
	const rng = new Rng("bodies by lexicon");
	const lexicons = { requestCrawl, notifyOfUpdate };
	const statuses = new Map<number, number>();
	for (let at = 0; at < BODIES; at++) {
		const method = rng.pick(["requestCrawl", "notifyOfUpdate"] as const);
		const input = drawInput(rng);
		const bytes = new TextEncoder().encode(JSON.stringify(input));
		const cut = rng.int(10) === 0 ? bytes.slice(0, rng.int(bytes.length)) : bytes;
		crawled = [];
		const response = await call(method, { method: "POST", body: inPieces(rng, cut) });
		const parsed = safeParse(lexicons[method].input.schema, input);
		const name = parsed.ok ? parsed.value.hostname : "";
		const isTaken = cut === bytes && parsed.ok && name !== "" && isStorable(name);
		statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1);
		expect([input, response.status, crawled]).toEqual([input, isTaken ? 200 : 400, isTaken ? [name] : []]);
		const text = await response.text();
		if (isTaken) expect(text).toBe("");
		else expect(JSON.parse(text)).toEqual({ error: "InvalidRequest", message: expect.stringMatching(/\w+ \w+/) });
	}
	expect([...statuses.keys()].sort()).toEqual([200, 400]);
});
