import { describe, expect, test } from "bun:test";
import { COMMIT_OPS_MAX, NSID_CHARS_MAX } from "../../src/protocol/limits.ts";
import { Rng } from "../../src/sim/rng.ts";
import {
	decodeTouched,
	encodeTouched,
	type Fill,
	isListed,
	NOT_LISTED,
	type TouchedCollection,
} from "../../src/verify/touched.ts";

const FILLS: readonly Fill[] = ["unknown", "empty", "filled"];
const LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.";

function anyCollection(rng: Rng): TouchedCollection {
	const length = rng.pick([5, 18, 255, 256, NSID_CHARS_MAX]);
	return { name: rng.text(length, LETTERS), before: rng.pick(FILLS), after: rng.pick(FILLS) };
}

describe("the list of touched collections", () => {
	test("is decoded as it was encoded, whatever is in it and after it", () => {
		const rng = new Rng("touched");
		for (let round = 0; round < 500; round++) {
			const count = rng.pick([0, 1, 1, 2, 7, COMMIT_OPS_MAX]);
			const collections = Array.from({ length: count }, () => anyCollection(rng));
			const list = encodeTouched(collections);
			expect(isListed(list)).toBe(true);
			expect(decodeTouched(list)).toEqual(collections);
			expect(decodeTouched(Buffer.concat([list, rng.bytes(rng.int(5))]))).toEqual(collections);
			// At any offset of a buffer.
			expect(decodeTouched(Buffer.concat([Buffer.alloc(3), list]).subarray(3))).toEqual(collections);
		}
	});

	test("has the bytes that the layout says", () => {
		const list = encodeTouched([
			{ name: "a.b.c", before: "unknown", after: "filled" },
			{ name: "x".repeat(300), before: "filled", after: "empty" },
		]);
		expect(Buffer.from(list).toString("latin1")).toBe(
			`\x02\x00${"\x08\x05\x00a.b.c"}${`\x06\x2c\x01${"x".repeat(300)}`}`,
		);
		expect([...encodeTouched([])]).toEqual([0, 0]);
	});

	test("that is not there differs from an empty list", () => {
		expect([...NOT_LISTED]).toEqual([0xff, 0xff]);
		expect(isListed(NOT_LISTED)).toBe(false);
		expect(isListed(encodeTouched([]))).toBe(true);
	});
});
