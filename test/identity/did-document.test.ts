import { describe, expect, test } from "bun:test";
import { DidDocumentError, hostOfPds, parseDidDocument } from "../../src/identity/did-document.ts";
import { Rng } from "../../src/sim/rng.ts";
import { anyText } from "../sim/any-text.ts";
import { DID, didDocument, K256_DID_KEY, K256_MULTIKEY, keyText, pdsService, verificationMethod } from "./documents.ts";

const PRODUCTION = { allowInsecure: false };

function keyIn(...verificationMethods: unknown[]): string | null {
	const document = didDocument(DID, { verificationMethod: verificationMethods });
	return parseDidDocument(DID, document, PRODUCTION).signingKeyDidKey;
}

function pdsIn(allowInsecure: boolean, ...services: unknown[]): string | null {
	return parseDidDocument(DID, didDocument(DID, { service: services }), { allowInsecure }).pds;
}

test("a document gives its key and its PDS", () => {
	const { signingKey, signingKeyDidKey, pds } = parseDidDocument(DID, didDocument(), PRODUCTION);
	expect(keyText(signingKey)).toMatch(/^k256:0[23][0-9a-f]{64}$/);
	expect(signingKeyDidKey).toBe(K256_DID_KEY);
	expect(pds).toBe("https://pds.example.com");
});

test("anything but a document of this DID is refused", () => {
	const other = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa";
	for (const document of [null, 1, "x", [], {}, { id: 1 }, didDocument(other), { id: DID, service: {} }]) {
		expect(() => parseDidDocument(DID, document, PRODUCTION)).toThrow(DidDocumentError);
	}
});

test("a document may lack both, and have unreadable values elsewhere", () => {
	expect(parseDidDocument(DID, { id: DID }, PRODUCTION)).toEqual({
		signingKey: null,
		signingKeyDidKey: null,
		pds: null,
		pdsFault: "there is no #atproto_pds service",
	});
	const odd = { "@context": "x", alsoKnownAs: 7, verificationMethod: [null, 1, verificationMethod()], service: [[]] };
	expect(parseDidDocument(DID, didDocument(DID, odd), PRODUCTION).signingKeyDidKey).toBe(K256_DID_KEY);
});

describe("the signing key", () => {
	test("may be named by the fragment alone", () => {
		expect(keyIn(verificationMethod(DID, { id: "#atproto" }))).toBe(K256_DID_KEY);
		expect(keyIn(verificationMethod(DID, { id: "#atproto_label" }))).toBeNull();
		expect(keyIn(verificationMethod(DID, { id: "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa#atproto" }))).toBeNull();
	});

	test("is the first of its name, even if only a later one is usable", () => {
		expect(keyIn(verificationMethod(DID, { publicKeyMultibase: "zzzz" }), verificationMethod())).toBeNull();
	});

	test("must be controlled by the DID, of a known type, and given as text", () => {
		for (const parts of [
			{ controller: "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa" },
			{ controller: undefined },
			{ type: "JsonWebKey2020" },
			{ publicKeyMultibase: 7 },
		]) {
			expect(keyIn(verificationMethod(DID, parts))).toBeNull();
		}
	});
});

describe("the PDS", () => {
	test("is an origin", () => {
		expect(pdsIn(false, pdsService({ serviceEndpoint: "https://PDS.example.com/" }))).toBe("https://pds.example.com");
		expect(pdsIn(false, pdsService({ serviceEndpoint: "https://pds.example.com:8443" }))).toBe(
			"https://pds.example.com:8443",
		);
		expect(pdsIn(false, pdsService({ id: `${DID}#atproto_pds` }))).toBe("https://pds.example.com");
		for (const serviceEndpoint of [
			"https://pds.example.com/path",
			"https://pds.example.com/?q",
			"https://pds.example.com/#f",
			"https://user@pds.example.com",
			"ftp://pds.example.com",
			"pds.example.com",
			"",
			["https://pds.example.com"],
			{ uri: "https://pds.example.com" },
		]) {
			expect(pdsIn(true, pdsService({ serviceEndpoint }))).toBeNull();
		}
	});

	test("on a host that can't be followed is none, and the reason is given", () => {
		const faults: [endpoint: string, fault: string][] = [
			["https://10.0.0.1", "IP addresses"],
			["https://[::1]", "IP addresses"],
			["https://pds", "single label"],
			["https://pds.internal", "reserved"],
			["https://pds.example.com.", "each label"],
			["https://p_ds.example.com", "each label"],
			["https://localhost:2583", "localhost is not allowed"],
			["https://xn--a.com", "no URL"],
		];
		for (const [serviceEndpoint, fault] of faults) {
			const document = didDocument(DID, { service: [pdsService({ serviceEndpoint })] });
			const { pds, pdsFault } = parseDidDocument(DID, document, PRODUCTION);
			expect([serviceEndpoint, pds, pdsFault]).toEqual([serviceEndpoint, null, expect.stringContaining(fault)]);
		}
	});

	test("may be on http in development only", () => {
		const local = pdsService({ serviceEndpoint: "http://localhost:2583" });
		expect(pdsIn(false, local)).toBeNull();
		expect(pdsIn(true, local)).toBe("http://localhost:2583");
	});

	test("must have its type, and is the first of its name", () => {
		expect(pdsIn(false, pdsService({ type: "Other" }))).toBeNull();
		expect(pdsIn(false, pdsService({ type: "Other" }), pdsService())).toBeNull();
		expect(pdsIn(false, pdsService({ id: "#other" }), pdsService())).toBe("https://pds.example.com");
	});

	test("has a host name as in requestCrawl", () => {
		expect(hostOfPds("https://pds.example.com:8443", PRODUCTION)).toBe("pds.example.com");
		expect(hostOfPds("http://localhost:2583", { allowInsecure: true })).toBe("localhost:2583");
		for (const pds of [null, "http://localhost:2583", "https://10.0.0.1", "https://pds.internal", "xn--a"]) {
			expect(hostOfPds(pds, PRODUCTION)).toBeNull();
		}
	});
});

test("whatever texts a document has, what is stored of it is plain ASCII", () => {
	const rng = new Rng("odd documents");
	const found = { keys: 0, origins: 0 };
	const odd = (text: string): string => {
		if (rng.int(2) === 0) return text;
		const at = rng.int(text.length + 1);
		return text.slice(0, at) + anyText(rng) + text.slice(at);
	};
	for (let at = 0; at < 5_000; at++) {
		const method = verificationMethod(DID, {
			id: odd(`${DID}#atproto`),
			type: odd("Multikey"),
			controller: odd(DID),
			publicKeyMultibase: odd(K256_MULTIKEY),
		});
		const service = pdsService({ id: odd("#atproto_pds"), serviceEndpoint: odd("https://pds.example.com") });
		// As it comes from the network: JSON can escape what UTF-8 can't say.
		const document = JSON.parse(
			JSON.stringify(
				didDocument(DID, { alsoKnownAs: [odd("at://a")], verificationMethod: [method], service: [service] }),
			),
		);
		const { signingKeyDidKey, pds } = parseDidDocument(DID, document, PRODUCTION);
		if (signingKeyDidKey !== null) found.keys++;
		if (pds !== null) found.origins++;
		for (const text of [signingKeyDidKey, pds, hostOfPds(pds, PRODUCTION)])
			expect(text ?? "").toMatch(/^[\x21-\x7e]*$/);
	}
	expect(Math.min(found.keys, found.origins)).toBeGreaterThan(100);
	expect(() => parseDidDocument(DID, didDocument(`${DID}\0`), PRODUCTION)).toThrow(DidDocumentError);
});
