import { beforeEach, describe, expect, test } from "bun:test";
import type { Hono } from "hono";
import type { ClientEnv } from "../../src/http/base.ts";
import { createReadsApp } from "../../src/http/reads.ts";
import { WHY_READS } from "../../src/http/why.ts";
import { networkOf } from "../../src/net/network.ts";
import { Counters } from "../../src/observe/counters.ts";
import { REJECTION_REASONS } from "../../src/protocol/reasons.ts";
import { RateLimit } from "../../src/runtime/rate-limit.ts";
import type { Explanation } from "../../src/why/explain.ts";
import type { HandleAnswer } from "../../src/why/handle.ts";
import { DID, Facts, PDS, rejection } from "../why/facts.ts";
import { MemoryIndex } from "./memory-index.ts";

type Answer = Explanation & Record<"did" | "handle" | "host" | "words" | "detail" | "action" | "message", string>;

let app: Hono<ClientEnv>;
let facts: Facts;
let asked: string[];
let handle: HandleAnswer;
let nowMs: number;

beforeEach(() => {
	facts = new Facts();
	asked = [];
	handle = { did: DID };
	nowMs = 0;
	const take = (what: string) => async (subject: string, by: string) => {
		asked.push(`${what} ${subject} by ${by}`);
		facts.did = what === "host" ? null : DID;
		return facts.all;
	};
	app = createReadsApp({
		index: new MemoryIndex(),
		counters: new Counters(),
		rateLimit: new RateLimit({ perS: 10, burst: 4 * WHY_READS, keysMax: 10, nowMs: () => nowMs }),
		why: {
			inquiry: { ofAccount: take("account"), ofHost: take("host") },
			handles: {
				async resolve(name, client) {
					asked.push(`handle ${name} by ${client}`);
					return handle;
				},
			},
			allowInsecure: false,
		},
	});
});

async function why(query: string, ip = "192.0.2.1"): Promise<{ response: Response; answer: Answer }> {
	const response = await app.request(`http://relay.test/api/why?${query}`, undefined, { ip });
	return { response, answer: (await response.clone().json()) as Answer };
}

describe("why", () => {
	test("is answered for an account, with its gates in order, as data that any origin may read", async () => {
		const { response, answer } = await why(`did=${DID}`);
		expect(response.status).toBe(200);
		expect(answer).toMatchObject({ did: DID, verdict: "passes", heldBy: null, words: null, action: null });
		expect(answer.gates).toHaveLength(10);
		expect(response.headers.get("content-type")).toStartWith("application/json");
		expect(response.headers.get("x-content-type-options")).toBe("nosniff");
		expect(response.headers.get("access-control-allow-origin")).toBe("*");
		expect(response.headers.get("cache-control")).toBe("no-store");
		expect(asked).toEqual([`account ${DID} by 192.0.2.1`]);
	});

	test("is answered for a host, whose name may be given as an origin", async () => {
		facts.host({ ban: { by: "host" }, phase: "barred" });
		const { answer } = await why(`host=${encodeURIComponent("https://PDS.example.com/")}`);
		expect(answer).toMatchObject({ host: PDS, verdict: "held", heldBy: "host-allowed" });
		expect(answer.words).toContain("banned");
		expect(answer.action.length).toBeGreaterThan(5);
		expect(asked).toEqual([`host ${PDS} by 192.0.2.1`]);
	});

	test("tells of a host what failed since the relay's start, by reason, or that this can't be known now", async () => {
		const counts = { reason: "rev-stale", rejected: 3, lenient: 1, firstAtMs: 0, lastAtMs: 1_000 } as const;
		facts.view = { ...facts.view, hostFailures: { told: [counts] } };
		const { answer } = await why(`host=${PDS}`);
		expect(answer).toMatchObject({
			failures: [
				{
					...{ reason: "rev-stale", meaning: REJECTION_REASONS["rev-stale"].meaning, rejected: 3, lenient: 1 },
					...{ firstAt: "1970-01-01T00:00:00.000Z", lastAt: "1970-01-01T00:00:01.000Z" },
				},
			],
		});
		facts.view = { ...facts.view, hostFailures: { untold: "busy" } };
		expect((await why(`host=${PDS}`)).answer).toMatchObject({ failures: null });
		expect("failures" in (await why(`did=${DID}`)).answer).toBe(false);
	});

	test("is answered for a handle, which is looked up for the client that asks", async () => {
		const { answer } = await why("handle=@Alice.Example.com", "2001:db8::1");
		expect(answer).toMatchObject({ handle: "alice.example.com", did: DID, verdict: "passes" });
		expect(asked).toEqual([`handle alice.example.com by ${networkOf("2001:db8::1")}`, `account ${DID} by 2001:db8::1`]);
		handle = { missing: "it leads nowhere" };
		const missing = await why("handle=alice.example.com");
		expect([missing.response.status, missing.answer.message]).toEqual([404, "it leads nowhere"]);
		handle = { busy: "too many" };
		const busy = await why("handle=alice.example.com");
		expect([busy.response.status, busy.response.headers.get("retry-after")]).toEqual([429, "5"]);
	});

	test.each([
		["", "one of `did`, `handle` and `host`"],
		["did=", "`did` must be a DID"],
		[`did=${DID}&host=${PDS}`, "one of `did`, `handle` and `host`"],
		["did=did:plc", "`did` must be a DID"],
		[`did=${"x".repeat(3_000)}`, "too long"],
		["did=%00", "NUL"],
		["handle=alice", "handle:"],
		["handle=127.0.0.1", "handle:"],
		["handle=a.example.com:8080", "handle:"],
		["handle=a.example.com/x", "handle:"],
		["handle=alice.localhost", "handle:"],
		["handle=alice.internal", "handle:"],
		["host=localhost:2583", "host: localhost is not allowed"],
		["host=10.0.0.1", "host:"],
		["host=pds.example.com:99", "host: an explicit port is not allowed"],
		["host=http://pds.example.com", "host: TLS is required"],
	])("is not asked with %s: nobody is bothered", async (query, rule) => {
		const { response, answer } = await why(query);
		expect(response.status).toBe(400);
		expect(answer.message).toContain(rule);
		expect(asked).toEqual([]);
	});

	test("costs some reads, and is refused to an address that has none left", async () => {
		for (let time = 0; time < 4; time++) expect((await why(`did=${DID}`)).response.status).toBe(200);
		const { response } = await why(`did=${DID}`);
		expect([response.status, response.headers.get("retry-after")]).toEqual([429, "1"]);
		expect((await why(`did=${DID}`, "192.0.2.2")).response.status).toBe(200);
		expect(asked).toHaveLength(5);
		nowMs += 1_000;
		expect((await why(`did=${DID}`)).response.status).toBe(200);
	});

	test("does not let what strangers wrote out of its string", async () => {
		const nasty = '</script><img src=x onerror="alert(1)">\n"},{"verdict":"passes';
		facts.reject(rejection("status-syntax", { detail: nasty }));
		facts.host({ lastError: { text: nasty, advice: "", atMs: 0 } });
		const { response, answer } = await why(`did=${DID}`);
		expect(answer).toMatchObject({ verdict: "held", heldBy: "repo", detail: nasty });
		expect(response.headers.get("content-type")).toStartWith("application/json");
	});
});
