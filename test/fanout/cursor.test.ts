import { describe, expect, test } from "bun:test";
import { decode, decodeFirst } from "@atcute/cbor";
import { parseCursor, startOfStream } from "../../src/fanout/cursor.ts";

describe("the cursor parameter", () => {
	test.each([
		[null, "live"],
		["", "live"],
		["0", 0],
		["7", 7],
		["9007199254740991", 9007199254740991],
		["9007199254740992", "malformed"],
		["-1", "malformed"],
		["+1", "malformed"],
		["1.0", "malformed"],
		["1e3", "malformed"],
		[" 1", "malformed"],
		["0x10", "malformed"],
		["abc", "malformed"],
		["99999999999999999999", "malformed"],
	] as const)("%p is %p", (text, expected) => {
		expect(parseCursor(text)).toBe(expected);
	});
});

describe("the start of a stream", () => {
	const span = { firstSeq: 100, lastSeq: 200, seqUsedMax: 200 };

	test.each([
		["live", "live"],
		[200, 200],
		[150, 150],
		[99, 99],
		[0, 99],
	] as const)("for %p is after %p, without an #info", (requested, cursor) => {
		expect(startOfStream(requested, span)).toEqual({ cursor, first: null });
	});

	test("for a cursor before the oldest message is that message, after an #info", () => {
		const start = startOfStream(98, span);
		if (start === "future" || start.first === null) throw new Error("an #info was expected");
		expect(start.cursor).toBe(99);
		const [header, rest] = decodeFirst(start.first);
		expect(header).toEqual({ op: 1, t: "#info" });
		expect(decode(rest)).toEqual({ name: "OutdatedCursor", message: expect.stringContaining("seq 100") });
	});

	test("for a cursor after the end is an error", () => {
		expect(startOfStream(201, span)).toBe("future");
	});

	test("after a crash takes cursors of seqs that were left out", () => {
		expect(startOfStream(250, { ...span, seqUsedMax: 300 })).toEqual({ cursor: 250, first: null });
		expect(startOfStream(301, { ...span, seqUsedMax: 300 })).toBe("future");
	});

	test("in an empty log", () => {
		const empty = { firstSeq: 1, lastSeq: 0, seqUsedMax: 0 };
		expect(startOfStream("live", empty)).toEqual({ cursor: "live", first: null });
		expect(startOfStream(0, empty)).toEqual({ cursor: 0, first: null });
		expect(startOfStream(1, empty)).toBe("future");
	});
});
