import { afterAll, describe, expect, test } from "bun:test";
import { ProbeError, probeHost } from "../../src/hosts/probe.ts";

const JSON_HEADERS = { "Content-Type": "application/json" };

/** What the server can answer. */
const ANSWERS: Record<string, () => Response | Promise<Response>> = {
	good: () => new Response('{"did":"did:web:pds"}', { headers: JSON_HEADERS }),
	array: () => new Response("[]", { headers: JSON_HEADERS }),
	null: () => new Response("null", { headers: JSON_HEADERS }),
	html: () => new Response("<html>"),
	missing: () => new Response("{}", { status: 404 }),
	redirect: () => Response.redirect("http://localhost:1/", 302),
	relay: () => new Response("{}", { headers: { Server: "indigo (ATProto-Relay)" } }),
	huge: () => new Response(`{"a":"${"x".repeat(70_000)}"}`),
	slow: () => new Promise<never>(() => {}),
};

let answer = "good";
let asked: { path: string; userAgent: string | null } | undefined;
const server = Bun.serve({
	hostname: "127.0.0.1",
	port: 0,
	fetch(request) {
		asked = { path: new URL(request.url).pathname, userAgent: request.headers.get("User-Agent") };
		return ANSWERS[answer]?.() ?? new Response(null, { status: 500 });
	},
});
afterAll(() => server.stop(true));

/** What the probe finds wrong with a host that gives this answer; null if nothing. */
async function faultWith(given: string, timeoutMs = 240_000): Promise<string | null> {
	answer = given;
	const host = { hostname: `localhost:${server.port}`, insecure: true };
	try {
		await probeHost(host, { guard: { allowInsecure: true }, userAgent: "standpipe/test", timeoutMs });
		return null;
	} catch (error) {
		expect(error).toBeInstanceOf(ProbeError);
		return error instanceof Error ? error.message : "";
	}
}

describe("a probe", () => {
	test("asks for describeServer, and takes a JSON object", async () => {
		expect(await faultWith("good")).toBeNull();
		expect(asked).toEqual({ path: "/xrpc/com.atproto.server.describeServer", userAgent: "standpipe/test" });
	});

	test.each([
		["array", "without a JSON object"],
		["null", "without a JSON object"],
		["html", "without a JSON object"],
		["missing", "HTTP 404"],
		["redirect", "is unreachable"],
		["relay", "is a relay itself"],
		["huge", "more than 65536 bytes"],
	])("refuses %s", async (given, fault) => {
		expect(await faultWith(given)).toContain(fault);
	});

	test("gives up on a host that does not answer", async () => {
		expect(await faultWith("slow", 50)).toBe("did not answer describeServer within 50 ms");
	});

	test("keeps away from private addresses", async () => {
		const probing = probeHost(
			{ hostname: "pds.example.com", insecure: false },
			{
				userAgent: "standpipe/test",
				guard: { allowInsecure: false, lookup: async () => [{ address: "10.0.0.1", family: 4 }] },
			},
		);
		await expect(probing).rejects.toThrow("is unreachable: its name leads to an address that is not public");
	});
});
