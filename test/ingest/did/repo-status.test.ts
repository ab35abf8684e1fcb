import { afterAll, describe, expect, test } from "bun:test";
import { REPO_STATUS_LIMITS, type RepoStatusOptions, RepoStatusProbe } from "../../../src/ingest/did/repo-status.ts";
import { Counters } from "../../../src/observe/counters.ts";
import { counted } from "../../observe/counted.ts";

const DID = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa";

let answer: (request: Request) => Response | Promise<Response> = () => Response.json({ did: DID, active: true });
const requests: { url: URL; userAgent: string | null }[] = [];
const server = Bun.serve({
	hostname: "127.0.0.1",
	port: 0,
	fetch(request) {
		requests.push({ url: new URL(request.url), userAgent: request.headers.get("user-agent") });
		return answer(request);
	},
});
afterAll(() => server.stop(true));
const HOST = { id: 1, pds: `http://localhost:${server.port}` };

function makeProbe(options: Partial<RepoStatusOptions> = {}) {
	const counters = new Counters();
	const probe = new RepoStatusProbe({
		guard: { allowInsecure: true },
		userAgent: "standpipe/test",
		counters,
		...options,
	});
	return { probe, counters: () => counted(counters) };
}

/** The probe's result for one answer. */
function verdictOn(given: typeof answer, timeoutMs: number = REPO_STATUS_LIMITS.timeoutMs): Promise<boolean> {
	answer = given;
	return makeProbe({ limits: { ...REPO_STATUS_LIMITS, timeoutMs } }).probe.isActive(DID, HOST);
}

describe("a host's answer", () => {
	test("is requested by getRepoStatus, with our User-Agent", async () => {
		expect(await verdictOn(() => Response.json({ did: DID, active: true, rev: "3l3qo2vuowo2b" }))).toBe(true);
		const request = requests.at(-1);
		expect(request?.url.pathname).toBe("/xrpc/com.atproto.sync.getRepoStatus");
		expect(request?.url.searchParams.get("did")).toBe(DID);
		expect(request?.userAgent).toBe("standpipe/test");
	});

	test.each<[string, typeof answer]>([
		["inactive", () => Response.json({ did: DID, active: false, status: "deactivated" })],
		["of another DID", () => Response.json({ did: "did:plc:bbbbbbbbbbbbbbbbbbbbbbbb", active: true })],
		["of nobody", () => Response.json({ active: true })],
		["something else than a boolean", () => Response.json({ did: DID, active: "true" })],
		["null", () => Response.json(null)],
		["no JSON", () => new Response("<html>")],
		["an error", () => Response.json({ did: DID, active: true }, { status: 400 })],
		["a failure", () => Response.json({ did: DID, active: true }, { status: 502 })],
		["a redirect", () => Response.redirect("http://localhost:1/", 302)],
		["too long", () => Response.json({ did: DID, active: true, padding: "x".repeat(20_000) })],
		["nothing", () => new Response()],
	])("that is %s does not make the account active", async (_name, given) => {
		expect(await verdictOn(given)).toBe(false);
	});

	test("that never comes is awaited no longer than the timeout", async () => {
		expect(await verdictOn(() => new Promise<never>(() => {}), 20)).toBe(false);
	});
});

test("a private address is not asked", async () => {
	const before = requests.length;
	const { probe } = makeProbe({
		guard: { allowInsecure: false, lookup: async () => [{ address: "127.0.0.1", family: 4 }] },
	});
	expect(await probe.isActive(DID, { id: 1, pds: "https://pds.example.com" })).toBe(false);
	expect(await probe.isActive(`${DID}b`, HOST)).toBe(false);
	expect(requests.length).toBe(before);
});

describe("limits", () => {
	test("each DID and each host are asked no more often than allowed", async () => {
		answer = () => Response.json({ did: DID, active: true });
		let nowMs = 0;
		const limits = { ...REPO_STATUS_LIMITS, perHostMax: 3, didIntervalMs: 500, hostIntervalMs: 1_000 };
		const { probe, counters } = makeProbe({ limits, nowMs: () => nowMs });
		expect(await probe.isActive(DID, HOST)).toBe(true);
		nowMs = 499;
		expect(await probe.isActive(DID, HOST)).toBe(false);
		nowMs = 500;
		expect(await probe.isActive(DID, HOST)).toBe(true);
		expect(counters().all).toMatchObject({ repo_status_requests_total: 2, repo_status_limited_total: 1 });
		await probe.isActive("did:plc:bbbbbbbbbbbbbbbbbbbbbbbb", HOST);
		await probe.isActive("did:plc:cccccccccccccccccccccccc", HOST);
		expect(counters().all).toMatchObject({ repo_status_requests_total: 3, repo_status_limited_total: 2 });
		await probe.isActive("did:plc:cccccccccccccccccccccccc", { ...HOST, id: 2 });
		nowMs = 1_000;
		expect(await probe.isActive(DID, HOST)).toBe(true);
		expect(counters().all).toMatchObject({ repo_status_requests_total: 5, repo_status_limited_total: 2 });
	});

	test("a host that does not answer has few requests under way, and delays no other host", async () => {
		const held = Promise.withResolvers<void>();
		let underWay = 0;
		let mostUnderWay = 0;
		answer = async (request) => {
			const did = new URL(request.url).searchParams.get("did");
			if (did === DID) return Response.json({ did, active: true });
			mostUnderWay = Math.max(mostUnderWay, ++underWay);
			await held.promise;
			underWay--;
			return Response.json({ did, active: true });
		};
		const { unansweredPerHostMax, inFlightPerHostMax } = REPO_STATUS_LIMITS;
		const { probe, counters } = makeProbe();
		const ask = (name: string): Promise<boolean> => probe.isActive(`did:plc:${name}`, { ...HOST, id: 2 });
		const slow = Array.from({ length: unansweredPerHostMax }, (_, index) => ask(`slow${index}`));
		expect(await ask("one-more")).toBe(false);
		expect(await probe.isActive(DID, HOST)).toBe(true);
		held.resolve();
		expect(await Promise.all(slow)).toEqual(slow.map(() => true));
		expect(await ask("later")).toBe(true);
		expect(mostUnderWay).toBe(inFlightPerHostMax);
		expect(counters().of("repo_status_limited_total")).toBe(1);
	});
});
