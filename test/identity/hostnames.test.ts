import { expect, test } from "bun:test";
import { hostOfPds } from "../../src/identity/did-document.ts";
import { ForbiddenTargetError, guardedFetch } from "../../src/net/guarded-fetch.ts";
import { parseHostname } from "../../src/net/hostname.ts";
import { didMethod } from "../../src/protocol/syntax.ts";
import { Rng } from "../../src/sim/rng.ts";

const NAMES = 5_000;
const LABELS = [
	"a",
	"pds",
	"a-b",
	"-a",
	"a-",
	"a_b",
	"",
	"0",
	"7f",
	"0x7f",
	"127",
	"xn--a",
	"xn--0",
	"xn--fiqs8s",
	"xn--",
	"x".repeat(63),
];
const LAST_LABELS = [
	"com",
	"social",
	"xn--fiqs8s",
	"xn--a",
	"local",
	"internal",
	"test",
	"localhost",
	"1",
	"0x1",
	"",
	"y".repeat(64),
];

function nameFrom(rng: Rng): string {
	const labels = Array.from({ length: rng.int(4) }, () =>
		rng.int(3) === 0 ? rng.text(1 + rng.int(8), "az09-") : rng.pick(LABELS),
	);
	return [...labels, rng.pick(LAST_LABELS)].join(".");
}

function crawls(name: string): boolean {
	try {
		return parseHostname(name, { allowLocalhost: false }).hostname === name;
	} catch {
		return false;
	}
}

/** Whether the guard lets a request to the host pass. */
async function fetches(name: string): Promise<boolean> {
	const url = URL.parse(`https://${name}/.well-known/did.json`);
	if (url === null) return false;
	const options = {
		allowInsecure: false,
		lookup: async () => [{ address: "93.184.215.14", family: 4 }],
		fetch: async () => new Response(),
	};
	return guardedFetch(url, {}, options).then(
		() => url.hostname === name,
		(error: unknown) => {
			if (error instanceof ForbiddenTargetError) return false;
			throw error;
		},
	);
}

test("requestCrawl, did:web, PDS endpoints and guarded requests accept the same host names", async () => {
	const rng = new Rng("host names");
	let good = 0;
	for (let i = 0; i < NAMES; i++) {
		const name = nameFrom(rng);
		const expected = crawls(name);
		if (expected) good++;
		expect([name, didMethod(`did:web:${name}`, { allowLocalhost: false }) === "web"]).toEqual([name, expected]);
		expect([name, hostOfPds(`https://${name}`, { allowInsecure: false }) === name]).toEqual([name, expected]);
		expect([name, await fetches(name)]).toEqual([name, expected]);
	}
	// Accepted and refused names both came up often enough.
	expect(good).toBeGreaterThan(NAMES / 20);
	expect(good).toBeLessThan(NAMES / 2);
});
