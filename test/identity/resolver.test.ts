import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { getAtprotoVerificationMaterial, getPdsEndpoint } from "@atcute/identity";
import { PlcDidDocumentResolver } from "@atcute/identity-resolver";
import type { Resolution } from "../../src/identity/identity.ts";
import { DidResolver } from "../../src/identity/resolver.ts";
import type { Lookup } from "../../src/net/guarded-fetch.ts";
import { RATE_LIMITED_PAUSE_MS, RETRY_AFTER_MS_MAX } from "../../src/net/retry-after.ts";
import { Rng } from "../../src/sim/rng.ts";
import { withOddParts } from "../sim/odd-document.ts";
import { DID, didDocument, K256_DID_KEY, pdsService, verificationMethod } from "./documents.ts";

const NOW_MS = 1_700_000_000_000;
const USER_AGENT = "standpipe/test";
const NEVER = new Promise<never>(() => {});

let answer: (request: Request) => Response | Promise<Response>;
let paths: string[];
let userAgents: Set<string | null>;
const server = Bun.serve({
	port: 0,
	hostname: "localhost",
	fetch: (request) => {
		paths.push(new URL(request.url).pathname);
		userAgents.add(request.headers.get("user-agent"));
		return answer(request);
	},
});
afterAll(() => server.stop(true));
beforeEach(() => {
	paths = [];
	userAgents = new Set();
});

interface Setup {
	plcUrl?: string;
	allowInsecure?: boolean;
	lookup?: Lookup;
	timeoutMs?: number;
}

function resolver(setup: Setup = {}): DidResolver {
	const options = { plcUrl: server.url.origin, allowInsecure: false, userAgent: USER_AGENT, clock: () => NOW_MS };
	return new DidResolver({ ...options, ...setup });
}

async function outcomeOf(
	response: () => Response | Promise<Response>,
	setup: Setup = {},
): Promise<Resolution["outcome"]> {
	answer = response;
	return (await resolver(setup).resolve(DID)).outcome;
}

/** The fault that a resolution reports. */
function detailOf(resolution: Resolution): string {
	return "detail" in resolution ? `${resolution.outcome}: ${resolution.detail}` : resolution.outcome;
}

describe("did:plc", () => {
	test("resolves to key, PDS and the time of the request", async () => {
		answer = () => Response.json(didDocument());
		expect(await resolver().resolve(DID)).toMatchObject({
			outcome: "resolved",
			identity: {
				did: DID,
				signingKeyDidKey: K256_DID_KEY,
				pds: "https://pds.example.com",
				pdsHost: "pds.example.com",
				resolvedAtMs: NOW_MS,
			},
		});
		expect(paths).toEqual([`/${encodeURIComponent(DID)}`]);
	});

	test("resolves although key and PDS are missing", async () => {
		answer = () => Response.json({ id: DID });
		const identity = { did: DID, signingKey: null, signingKeyDidKey: null, pds: null, pdsHost: null };
		const pdsFault = "there is no #atproto_pds service";
		expect(await resolver().resolve(DID)).toEqual({
			outcome: "resolved",
			identity: { ...identity, pdsFault, resolvedAtMs: NOW_MS },
		});
	});

	test("has the outcome of the directory's status", async () => {
		expect(await outcomeOf(() => new Response("no", { status: 404 }))).toBe("not-found");
		expect(await outcomeOf(() => new Response("gone", { status: 410 }))).toBe("tombstoned");
		for (const status of [204, 400, 401, 429, 500, 503]) {
			expect(await outcomeOf(() => new Response(null, { status }))).toBe("unavailable");
		}
	});

	test("is malformed if the document is none, or another DID's", async () => {
		for (const body of ["", "<html>", "[]", "null", "{}", JSON.stringify(didDocument(`${DID.slice(0, -1)}a`))]) {
			expect(await outcomeOf(() => new Response(body))).toBe("malformed");
		}
	});

	test("is read whatever the document's content type is", async () => {
		const body = JSON.stringify(didDocument());
		expect(await outcomeOf(() => new Response(body, { headers: { "Content-Type": "text/plain" } }))).toBe("resolved");
	});

	test("says how long the directory asks to wait", async () => {
		const pauses: [status: number, retryAfter: string | null, pauseMs: number | null][] = [
			[429, "7", 7_000],
			[429, null, RATE_LIMITED_PAUSE_MS],
			[429, "soon", RATE_LIMITED_PAUSE_MS],
			[429, "99999999", RETRY_AFTER_MS_MAX],
			[503, new Date(NOW_MS + 90_000).toUTCString(), 90_000],
			[503, new Date(NOW_MS - 90_000).toUTCString(), 0],
			[503, null, null],
		];
		for (const [status, retryAfter, retryAfterMs] of pauses) {
			const headers = retryAfter === null ? {} : { "Retry-After": retryAfter };
			answer = () => new Response(null, { status, headers });
			expect(await resolver().resolve(DID)).toEqual({
				outcome: "unavailable",
				detail: `HTTP status ${status}`,
				retryAfterMs,
			});
		}
	});

	test("is requested with the relay's name", async () => {
		await outcomeOf(() => Response.json(didDocument()));
		expect([...userAgents]).toEqual([USER_AGENT]);
	});

	test("is malformed if the document is huge, and reading it stops", async () => {
		let sentBytes = 0;
		const spaces = new Uint8Array(16_384).fill(0x20);
		const pull = (controller: ReadableStreamDefaultController): void => {
			sentBytes += spaces.length;
			controller.enqueue(spaces);
		};
		answer = () => new Response(new ReadableStream({ pull }));
		expect(detailOf(await resolver().resolve(DID))).toBe("malformed: the body is longer than 256000 bytes");
		expect(sentBytes).toBeGreaterThan(256_000);
	});

	test("is unavailable if the directory is slow, redirects, or is down", async () => {
		const impatient = { timeoutMs: 50 };
		expect(await outcomeOf(() => NEVER, impatient)).toBe("unavailable");
		const stall = () => new Response(new ReadableStream({ pull: () => NEVER }));
		expect(await outcomeOf(stall, impatient)).toBe("unavailable");

		paths = [];
		answer = (request) => Response.redirect(new URL("/elsewhere", request.url).href);
		expect(detailOf(await resolver().resolve(DID))).toContain("unavailable: it answered with a redirect");
		expect(paths).toHaveLength(1);

		const down = Bun.serve({ port: 0, hostname: "localhost", fetch: () => new Response() });
		await down.stop(true);
		expect(detailOf(await resolver({ plcUrl: down.url.origin }).resolve(DID))).toContain("unavailable: ");
	});
});

describe("did:web", () => {
	const WEB = "did:web:id.example.com";
	const lookupOf = (address: string): Lookup => {
		return async () => [{ address, family: 4 }];
	};

	test("is not asked for at an address that is not public", async () => {
		for (const address of ["127.0.0.1", "169.254.169.254"]) {
			const detail = detailOf(await resolver({ lookup: lookupOf(address) }).resolve(WEB));
			expect(detail).toBe("malformed: its name leads to an address that is not public");
		}
		expect(paths).toEqual([]);
	});

	test("is not found if its name is not, and unavailable if the lookup fails or hangs", async () => {
		const failing = (code: string): Lookup => {
			return () => Promise.reject(Object.assign(new Error(code), { code }));
		};
		expect(detailOf(await resolver({ lookup: failing("ENOTFOUND") }).resolve(WEB))).toBe("not-found");
		expect(detailOf(await resolver({ lookup: failing("ETIMEOUT") }).resolve(WEB))).toBe(
			"unavailable: the DNS does not answer",
		);
		expect(detailOf(await resolver({ lookup: () => NEVER, timeoutMs: 50 }).resolve(WEB))).toContain("unavailable: ");
	});

	test("may be on localhost in development only, with a PDS that is too", async () => {
		const did = `did:web:localhost%3A${server.port}`;
		answer = (request) => {
			const found = new URL(request.url).pathname === "/.well-known/did.json";
			const service = [pdsService({ serviceEndpoint: "http://localhost:2583" })];
			return found ? Response.json(didDocument(did, { service })) : new Response(null, { status: 404 });
		};
		const identity = { pds: "http://localhost:2583", pdsHost: "localhost:2583", signingKeyDidKey: K256_DID_KEY };
		expect(await resolver({ allowInsecure: true }).resolve(did)).toMatchObject({ outcome: "resolved", identity });
		expect([...userAgents]).toEqual([USER_AGENT]);
		expect((await resolver().resolve(did)).outcome).toBe("malformed");
	});

	test("is not found if the host says 404 or 410", async () => {
		for (const status of [404, 410]) {
			answer = () => new Response(null, { status });
			const resolution = await resolver({ allowInsecure: true }).resolve(`did:web:localhost%3A${server.port}`);
			expect(resolution.outcome).toBe("not-found");
		}
	});
});

test("a DID of another method is malformed, and nobody is asked", async () => {
	for (const did of ["did:web:example.com:user", "did:key:z6Mk", "did:plc:short", "did:plc:../../etc", "", "x"]) {
		expect((await resolver().resolve(did)).outcome).toBe("malformed");
	}
	expect((await resolver({ allowInsecure: true }).resolve("did:web:localhost%3A65536")).outcome).toBe("malformed");
	expect(paths).toEqual([]);
});

describe("documents with odd parts, generated", () => {
	const DOCUMENTS = 500;
	const PARTS = { signingKeyDidKey: K256_DID_KEY, pds: "https://pds.example.com" };

	test("all resolve to their key and PDS, since faults in unused parts don't matter", async () => {
		const rng = new Rng("odd documents");
		const library = new PlcDidDocumentResolver({ apiUrl: server.url.origin });
		let accepted = 0;
		for (let i = 0; i < DOCUMENTS; i++) {
			const document = withOddParts(didDocument(), rng);
			answer = () => Response.json(document, { headers: { "Content-Type": "application/did+ld+json" } });
			expect(await resolver().resolve(DID)).toMatchObject({ outcome: "resolved", identity: PARTS });
			accepted += await library.resolve(DID as `did:plc:${string}`).then(
				() => 1,
				() => 0,
			);
		}
		// The library checks the whole document and refuses most of them, which shows that they are odd.
		expect(accepted).toBeLessThan(DOCUMENTS / 2);
	});

	test("what the library resolves, the relay resolves to the same key and PDS", async () => {
		const rng = new Rng("differences");
		const library = new PlcDidDocumentResolver({ apiUrl: server.url.origin });
		let compared = 0;
		for (let i = 0; i < DOCUMENTS; i++) {
			const document = didDocument(DID, {
				verificationMethod: listFrom(rng, [
					verificationMethod(),
					verificationMethod(DID, { id: "#atproto" }),
					verificationMethod(DID, { id: "#other", type: "JsonWebKey2020" }),
				]),
				service: listFrom(rng, [
					pdsService(),
					pdsService({ id: `${DID}#atproto_pds`, serviceEndpoint: "https://other.example.com" }),
					pdsService({ id: "#labeler", type: "AtprotoLabeler" }),
					pdsService({ type: "Other" }),
				]),
			});
			answer = () => Response.json(document, { headers: { "Content-Type": "application/did+ld+json" } });
			const theirs = await library.resolve(DID as `did:plc:${string}`).catch(() => null);
			if (theirs === null) continue;
			compared++;
			const key = getAtprotoVerificationMaterial(theirs)?.publicKeyMultibase ?? null;
			expect(await resolver().resolve(DID)).toMatchObject({
				identity: { signingKeyDidKey: key === null ? null : `did:key:${key}`, pds: getPdsEndpoint(theirs) ?? null },
			});
		}
		expect(compared).toBeGreaterThan(DOCUMENTS / 4);
	});
});

function listFrom<T>(rng: Rng, items: readonly T[]): T[] {
	return Array.from({ length: rng.int(4) }, () => rng.pick(items));
}
