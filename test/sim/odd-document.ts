import type { Rng } from "../../src/sim/rng.ts";

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

const WORDS = [
	"",
	"x",
	"#atproto_label",
	"at://a.example.com",
	"did:web:%",
	"http://[",
	"https://a.example.com/p?q",
	"é\u0000",
	"\ud800",
];
const ID_FRAGMENTS = ["#atproto_label", "#atproto_notif", "#", "", "#atproto ", "#ATPROTO", "atproto"];
const DEPTH_MAX = 3;
const ITEMS_MAX = 4;

/** Any JSON value, up to three levels deep. */
function anyJson(rng: Rng, depth = 0): Json {
	switch (rng.int(depth < DEPTH_MAX ? 7 : 5)) {
		case 0:
			return null;
		case 1:
			return rng.int(2) === 0;
		case 2:
			return (rng.float() - 0.5) * 1e9;
		case 3:
			return rng.int(1000);
		case 4:
			return rng.pick(WORDS);
		case 5:
			return listOf(rng, () => anyJson(rng, depth + 1));
		default:
			return Object.fromEntries(listOf(rng, () => [rng.pick(WORDS), anyJson(rng, depth + 1)]));
	}
}

function listOf<T>(rng: Rng, make: () => T): T[] {
	return Array.from({ length: rng.int(ITEMS_MAX) }, make);
}

/** A random entry that is not a key or service that a relay reads. */
function oddEntry(rng: Rng): Json {
	if (rng.int(4) === 0) return anyJson(rng);
	return {
		id: rng.int(4) === 0 ? anyJson(rng) : rng.pick(ID_FRAGMENTS),
		type: rng.pick<Json>(["Multikey", "JsonWebKey2020", "AtprotoLabeler", "", null, ["a", "b"], 7]),
		controller: anyJson(rng),
		publicKeyMultibase: anyJson(rng),
		serviceEndpoint: rng.pick<Json>(["", "x", "ftp://a", null, {}, [], { uri: "https://a" }, "https://a.example.com"]),
	};
}

function isList(value: unknown): value is unknown[] {
	return Array.isArray(value);
}

/** `entries` with some odd entries before and after them. */
function amongOdd(rng: Rng, entries: unknown): unknown[] {
	const odd = (): Json[] => listOf(rng, () => oddEntry(rng));
	return [...odd(), ...(isList(entries) ? entries : []), ...odd()];
}

/** The DID document with the same key and PDS, and odd values in all places that a relay must not depend on. */
export function withOddParts(document: Record<string, unknown>, rng: Rng): Record<string, unknown> {
	const odd: Record<string, unknown> = {
		...document,
		verificationMethod: amongOdd(rng, document["verificationMethod"]),
		service: amongOdd(rng, document["service"]),
	};
	for (const member of [
		"@context",
		"alsoKnownAs",
		"controller",
		"authentication",
		"assertionMethod",
		"__proto__",
		"x",
	]) {
		if (rng.int(2) === 0) Object.defineProperty(odd, member, { value: anyJson(rng), enumerable: true });
	}
	if (rng.int(3) === 0) odd["alsoKnownAs"] = ["at://a.example.com", "at://a.example.com"];
	return odd;
}
