import { expect, test } from "bun:test";
import { encode } from "@atcute/cbor";
import { Major } from "../../src/protocol/cbor.ts";
import { encodeHead, headBytes, writeHead } from "../../src/protocol/cbor-head.ts";

/** Arguments on both sides of each limit at which a head gets longer. */
const ARGUMENTS = [0, 1, 23, 24, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, Number.MAX_SAFE_INTEGER];

test("the head of an integer is that of the library, at each length, and nothing after it is written", () => {
	for (const argument of ARGUMENTS) {
		const expected = Buffer.from(encode(argument)).toString("hex");
		const target = Buffer.alloc(12, 0xee);
		const end = writeHead(target, Major.unsigned, argument, 1);
		expect(end).toBe(1 + headBytes(argument));
		expect(target.toString("hex")).toBe(`ee${expected}${"ee".repeat(12 - end)}`);
		expect(Buffer.from(encodeHead(Major.unsigned, argument)).toString("hex")).toBe(expected);
	}
});

test("heads of texts and lists are those of the library", () => {
	for (const length of [0, 23, 24, 255, 256, 70_000]) {
		const text = encode("a".repeat(length));
		expect([...encodeHead(Major.text, length)]).toEqual([...text.subarray(0, headBytes(length))]);
		const list = encode(Array.from({ length }, () => 0));
		expect([...encodeHead(Major.array, length)]).toEqual([...list.subarray(0, headBytes(length))]);
	}
});

test("a head that the target has no room for is refused", () => {
	for (const argument of ARGUMENTS)
		expect(() => writeHead(Buffer.alloc(headBytes(argument) - 1), Major.unsigned, argument, 0)).toThrow(RangeError);
});
