import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import {
	didMethod,
	isDatetime,
	isDid,
	isNsid,
	isRecordKey,
	isRecordPath,
	isTid,
	tidToMicroseconds,
} from "../../src/protocol/syntax.ts";
import { fixturePath } from "../fixtures.ts";

/** The vectors of a file, one a line. Leading and trailing spaces are part of a vector. */
function vectors(name: string): string[] {
	const lines = readFileSync(fixturePath(`interop/syntax/${name}.txt`), "utf8").split("\n");
	const found = lines.filter((line) => line !== "" && !line.startsWith("#"));
	expect(found.length).toBeGreaterThan(0);
	return found;
}

describe("the syntax vectors", () => {
	const checks = { did: isDid, nsid: isNsid, recordkey: isRecordKey, tid: isTid, datetime: isDatetime };
	for (const [name, check] of Object.entries(checks)) {
		test(`${name}: valid`, () => {
			expect(vectors(`${name}_syntax_valid`).filter((line) => !check(line))).toEqual([]);
		});
		test(`${name}: invalid`, () => {
			expect(vectors(`${name}_syntax_invalid`).filter((line) => check(line))).toEqual([]);
		});
	}
	test("datetime: invalid although it looks right", () => {
		expect(vectors("datetime_parse_invalid").filter(isDatetime)).toEqual([]);
	});
});

describe("didMethod", () => {
	const production = { allowLocalhost: false };
	const development = { allowLocalhost: true };

	test("takes did:plc with exactly 24 base32 characters", () => {
		expect(didMethod("did:plc:7iza6de2dwap2sbkpav7c6c6", production)).toBe("plc");
		for (const did of [
			"did:plc:7iza6de2dwap2sbkpav7c6c",
			"did:plc:7iza6de2dwap2sbkpav7c6c66",
			"did:plc:7iza6de2dwap2sbkpav7c6c1",
			"did:plc:7IZA6DE2DWAP2SBKPAV7C6C6",
			"did:PLC:7iza6de2dwap2sbkpav7c6c6",
			"did:plc:7iza6de2dwap2sbkpav7c6c6\n",
		]) {
			expect(didMethod(did, production)).toBeNull();
		}
	});

	test("takes did:web of a public hostname, without path or port", () => {
		expect(didMethod("did:web:pds.example.com", production)).toBe("web");
		for (const did of [
			"did:web:example.com:user",
			"did:web:example.com%3A443",
			"did:web:localhost%3A1234",
			"did:web:localhost",
			"did:web:Example.com",
			"did:web:10.0.0.1",
			"did:web:thing.internal",
			"did:web:thing.test",
			"did:web:",
		]) {
			expect(didMethod(did, production)).toBeNull();
		}
	});

	test("takes localhost with a port, and .test, in development only", () => {
		expect(didMethod("did:web:localhost%3A1234", development)).toBe("web");
		expect(didMethod("did:web:pds.test", development)).toBe("web");
		expect(didMethod("did:web:localhost", development)).toBeNull();
		expect(didMethod("did:web:localhost%3A1234:user", development)).toBeNull();
	});

	test("takes no other method", () => {
		expect(didMethod("did:key:zQ3shZc2QzApp2oymGvQbzP8eKheVshBHbU4ZYjeXqwSKEn6N", development)).toBeNull();
	});
});

test("a DID has at most 2,048 characters", () => {
	expect(isDid(`did:web:${"a".repeat(2_040)}`)).toBe(true);
	expect(isDid(`did:web:${"a".repeat(2_041)}`)).toBe(false);
});

test("a record path is an NSID, one slash and a record key", () => {
	expect(isRecordPath("app.bsky.feed.post/3jzfcijpj2z2a")).toBe(true);
	for (const path of [
		"",
		"/",
		"app.bsky.feed.post",
		"app.bsky.feed.post/",
		"/app.bsky.feed.post/self",
		"app.bsky.feed.post/a/b",
		"app.bsky.feed.post//a",
		"app.bsky/a",
		"app.bsky.feed.post/..",
		"app.bsky.feed.post/ä",
	]) {
		expect(isRecordPath(path)).toBe(false);
	}
});

test("the time of a TID is its value without the clock id", () => {
	expect(tidToMicroseconds("2222222222222")).toBe(0);
	expect(tidToMicroseconds("2222222222322")).toBe(1);
	expect(tidToMicroseconds("22222222222zz")).toBe(0);
	expect(tidToMicroseconds("bzzzzzzzzzzzz")).toBe(Number.MAX_SAFE_INTEGER);
	expect(tidToMicroseconds("jzzzzzzzzzzzz")).toBeGreaterThan(Number.MAX_SAFE_INTEGER);
	expect(new Date(tidToMicroseconds("3jzfcijpj2z2a") / 1000).toISOString()).toBe("2023-06-30T15:03:01.887Z");
});

describe("isDatetime", () => {
	test("knows the days of each month", () => {
		expect(isDatetime("2024-02-29T00:00:00Z")).toBe(true);
		expect(isDatetime("2000-02-29T00:00:00Z")).toBe(true);
		for (const text of ["2023-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "2024-04-31T00:00:00Z"]) {
			expect(isDatetime(text)).toBe(false);
		}
	});

	test("knows the range of times and zones", () => {
		expect(isDatetime("2024-01-01T23:59:59+23:59")).toBe(true);
		expect(isDatetime("0000-01-01T01:00:00+01:00")).toBe(true);
		for (const text of [
			"2024-01-01T24:00:00Z",
			"2024-01-01T23:59:60Z",
			"2024-01-01T00:00:00+24:00",
			"2024-01-01T00:00:00+00:60",
			"2024-01-01T00:00:00-00:00",
			"0000-01-01T00:59:59+01:00",
		]) {
			expect(isDatetime(text)).toBe(false);
		}
	});

	test("takes at most 64 characters", () => {
		expect(isDatetime(`2024-01-01T00:00:00.${"0".repeat(43)}Z`)).toBe(true);
		expect(isDatetime(`2024-01-01T00:00:00.${"0".repeat(44)}Z`)).toBe(false);
	});
});
