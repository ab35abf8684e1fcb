import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { run as runCommand } from "../../src/cli/program.ts";
import { explain } from "../../src/why/explain.ts";
import { DID, Facts, PDS, rejection } from "../why/facts.ts";

let asked: string[];
let answer: (query: URLSearchParams) => Response;
let lines: string[];
let complaints: string[];

const server = Bun.serve({
	hostname: "127.0.0.1",
	port: 0,
	fetch(request) {
		const { pathname, search, searchParams } = new URL(request.url);
		asked.push(`${pathname}${search}`);
		return answer(searchParams);
	},
});
afterAll(() => server.stop(true));

const RELAY = `http://127.0.0.1:${server.port}`;

function answerOf(facts: Facts): Response {
	return Response.json({ did: DID, ...explain(facts.all) });
}

beforeEach(() => {
	asked = [];
	lines = [];
	complaints = [];
	answer = () => answerOf(new Facts());
});

async function run(...args: string[]): Promise<number | null> {
	const { hostname, port } = new URL(RELAY);
	return runCommand(["why", ...args], {
		env: { RELAY_API_BIND: `${hostname}:${port}` },
		output: { line: (text) => lines.push(text) > 0, status: () => {}, isTerminal: false },
		complain: (text) => void complaints.push(text),
	});
}

describe("the command why", () => {
	test("asks the relay of this machine, and exits with 0 if messages pass", async () => {
		expect(await run(DID)).toBe(0);
		expect(asked).toEqual([`/api/why?did=${encodeURIComponent(DID)}`]);
		expect(lines[0]).toBe(`${DID}: messages pass`);
		expect(lines).toHaveLength(11);
		expect(lines[1]).toBe("passes   host-known      The relay knows the host.");
		expect(complaints).toEqual([]);
	});

	test("tells of a host what failed, by reason", async () => {
		const failed = { reason: "rev-stale", meaning: "old", rejected: 3, lenient: 1, lastAt: "2026-11-26T00:00:00.000Z" };
		answer = () => Response.json({ host: PDS, ...explain({ ...new Facts().all, did: null }), failures: [failed] });
		expect(await run(PDS)).toBe(0);
		expect(lines.at(-1)).toBe(
			"failed   rev-stale: 3 dropped, 1 passed leniently, the last at 2026-11-26T00:00:00.000Z",
		);
	});

	test("tells of the gate that holds what is known and what can be done, and exits with 1", async () => {
		const facts = new Facts();
		facts.reject(rejection("signature-invalid"));
		answer = () => answerOf(facts);
		expect(await run(DID, "--relay", RELAY)).toBe(1);
		const text = lines.join("\n");
		expect(text).toContain("HOLDS    repo            The last message of the account broke a rule");
		expect(text).toContain("rejectedReason: signature-invalid");
		expect(text).toMatch(/what can be done: .+/);
		expect(text).toMatch(/advice: .*key/);
	});

	test("tells in one line what comes after the gate that holds", async () => {
		const facts = new Facts();
		facts.host({ ban: { by: "host" }, phase: "barred" });
		answer = () => answerOf(facts);
		expect(await run(DID)).toBe(1);
		expect(lines.at(-1)).toBe("-        log             written");
	});

	test("exits with 2 if the relay does not know, or can't say", async () => {
		const unknown = new Facts();
		unknown.noView = "busy";
		answer = () => answerOf(unknown);
		expect(await run(DID)).toBe(2);
		expect(lines[0]).toBe(`${DID}: the relay can't say now`);
		const unseen = new Facts();
		unseen.view = { ...unseen.view, host: null };
		answer = () => answerOf(unseen);
		expect(await run(DID)).toBe(2);
	});

	test("takes a name for a host, and for a handle if the relay knows no such host", async () => {
		const unknown = new Facts();
		unknown.did = null;
		unknown.view = { ...unknown.view, host: null };
		let isHandle = true;
		answer = (query) => {
			if (query.has("host")) return answerOf(unknown);
			return isHandle
				? answerOf(new Facts())
				: Response.json({ error: "HandleNotFound", message: "no" }, { status: 404 });
		};
		expect(await run(PDS)).toBe(0);
		expect(asked).toEqual([`/api/why?host=${PDS}`, `/api/why?handle=${PDS}`]);
		isHandle = false;
		expect(await run(PDS)).toBe(2);
		expect(lines.slice(11).join("\n")).toContain("HOLDS    host-known");
		asked = [];
		for (const [subject, name] of [
			["@alice.example.com", "handle"],
			["localhost:2583", "host"],
			["https://pds.example.com", "host"],
			["did:web:alice.example.com", "did"],
		] as const) {
			asked = [];
			await run(subject);
			expect(asked[0]).toBe(`/api/why?${new URLSearchParams({ [name]: subject })}`);
		}
	});

	test("gives the answer as it came with --json", async () => {
		expect(await run(DID, "--json", "--relay", RELAY)).toBe(0);
		expect(lines).toHaveLength(1);
		expect(JSON.parse(lines[0] ?? "")).toEqual({ did: DID, ...explain(new Facts().all) });
	});

	test("writes nothing that a terminal obeys, in any form", async () => {
		const nasty = "\u001b]0;owned\u0007\u009b31m\u202egnihton\r\n";
		const facts = new Facts();
		facts.reject(rejection("status-syntax", { detail: nasty, hostname: PDS }));
		answer = () => answerOf(facts);
		for (const args of [[DID], [DID, "--json"]]) {
			lines = [];
			expect(await run(...args)).toBe(1);
			expect(lines.join("")).not.toMatch(/[\p{Cc}\u202e]/u);
		}
		answer = () => Response.json({ error: "InvalidRequest", message: nasty }, { status: 400 });
		expect(await run(DID)).toBe(2);
		expect(complaints.join("")).not.toMatch(/[\p{Cc}\u202e]/u);
	});

	test.each([
		["no subject", []],
		["two subjects", [DID, PDS]],
		["an empty one", [""]],
		["another flag", [DID, "--all"]],
	])("is refused with %s, and nobody is asked", async (_, args) => {
		expect(await run(...args)).toBe(2);
		expect(complaints).not.toEqual([]);
		expect(asked).toEqual([]);
	});

	test.each(["relay.example.com", "ftp://relay.example.com", "x", "https://relay.example.com/xrpc"])(
		"is refused with the relay %s",
		async (relay) => {
			expect(await run(DID, "--relay", relay)).toBe(2);
			expect(complaints[0]).toStartWith("--relay: expected an http:// or https:// URL");
		},
	);

	test.each([
		[
			"an error",
			() => Response.json({ error: "RateLimitExceeded", message: "too many" }, { status: 429 }),
			"429: too many",
		],
		["a page", () => new Response("<html>"), "does not answer as a relay"],
		["JSON of something else", () => Response.json({ gates: [] }), "not as a relay"],
		["too much", () => new Response("x".repeat(300_000)), "longer than"],
		["a redirect", () => new Response(null, { status: 302, headers: { Location: "/elsewhere" } }), "does not answer"],
	])("says so if the answer is %s, and exits with 2", async (_, given, complaint) => {
		answer = given;
		expect(await run(DID)).toBe(2);
		expect(complaints[0]).toContain(complaint);
	});
});
