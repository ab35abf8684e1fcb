import { describe, expect, test } from "bun:test";
import { RECORD_FACTS_BYTES_MAX } from "../../../src/log/record/facts.ts";
import { decodeStateFacts, encodeStateFacts, hasValue } from "../../../src/log/record/state-facts.ts";
import { Rng } from "../../../src/sim/rng.ts";

describe("facts of a state", () => {
	test("come back, whatever key and value are", () => {
		const rng = new Rng("state facts");
		for (let at = 0; at < 500; at++) {
			const key = rng.bytes(rng.pick([0, 1, 4, 255, 256, 300, rng.int(70)]));
			const value = rng.bytes(rng.pick([0, 1, rng.int(500)]));
			const facts = encodeStateFacts({ key, value });
			const found = decodeStateFacts(facts);
			expect(Buffer.from(found.key).equals(key)).toBe(true);
			expect(Buffer.from(found.value).equals(value)).toBe(true);
			expect(hasValue(facts)).toBe(value.length > 0);
		}
	});

	test("are refused if they don't fit a record, and fit to the last byte", () => {
		const key = new Uint8Array(1_000);
		const value = new Uint8Array(RECORD_FACTS_BYTES_MAX - 2 - key.length);
		expect(encodeStateFacts({ key, value })).toHaveLength(RECORD_FACTS_BYTES_MAX);
		expect(() => encodeStateFacts({ key, value: new Uint8Array(value.length + 1) })).toThrow(RangeError);
		expect(() => encodeStateFacts({ key: new Uint8Array(RECORD_FACTS_BYTES_MAX), value: key })).toThrow(RangeError);
	});

	test("that end before their key does are refused", () => {
		for (const facts of [[], [3], [1, 0], [4, 0, 1, 2, 3], [0, 1, 9]]) {
			expect(() => decodeStateFacts(Uint8Array.from(facts))).toThrow(RangeError);
		}
	});
});
