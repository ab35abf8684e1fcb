import { describe, expect, test } from "bun:test";
import { skipItem } from "../../src/protocol/cbor.ts";
import { readFrame, scanFrame } from "../../src/protocol/frame.ts";
import type { SimMessage } from "../../src/sim/message.ts";
import { Rng } from "../../src/sim/rng.ts";
import { anyValue, deepValue, FIELD_OPTIONS, frameWithExtras, loosened } from "./any-cbor.ts";

const CASES = 1_000;
const MESSAGE: SimMessage = {
	type: "account",
	did: "did:plc:aaaabbbbccccddddeeeeffff",
	rev: null,
	body: { did: "did:plc:aaaabbbbccccddddeeeeffff", time: "2026-07-04T12:00:00Z", active: true, status: "deleted" },
};

describe("generated values", () => {
	test("are canonical items, and the same for the same seed", () => {
		for (let i = 0; i < CASES; i++) {
			const value = anyValue(new Rng(`value ${i}`));
			expect(skipItem(value, 0, value.length)).toBe(value.length);
			expect(anyValue(new Rng(`value ${i}`)).equals(value)).toBe(true);
		}
	});

	test("are as deep as asked", () => {
		const rng = new Rng("deep");
		for (let depth = 0; depth <= FIELD_OPTIONS.depthMax; depth++) {
			const value = deepValue(rng, depth);
			expect(skipItem(value, 0, value.length)).toBe(value.length);
		}
	});

	test("fit into frames, which keep their own fields, and mean the same when loosened", () => {
		let canonical = 0;
		for (let i = 0; i < CASES; i++) {
			const rng = new Rng(`frame ${i}`);
			const frame = frameWithExtras(rng, MESSAGE, i + 1);
			const scanned = scanFrame(frame);
			expect(scanned).toMatchObject({ kind: "message", message: { type: "account", seq: i + 1, status: "deleted" } });
			const loose = loosened(rng, frame);
			if (loose.equals(frame)) canonical++;
			expect(Buffer.from(readFrame(loose).frame).equals(readFrame(frame).frame)).toBe(true);
		}
		expect(canonical).toBeLessThan(CASES / 10);
	});
});
