import { describe, expect, test } from "bun:test";
import { type LinkRule, type Strictness, skipItem } from "../../src/protocol/cbor.ts";
import { readFrame } from "../../src/protocol/frame.ts";
import { MESSAGE_KINDS, MESSAGE_TYPES } from "../../src/protocol/kinds/table.ts";
import { Rejection } from "../../src/protocol/rejection.ts";
import { isStorable, storable, withStorableTexts } from "../../src/protocol/text.ts";
import { Rng } from "../../src/sim/rng.ts";
import { anyValue, cborHead, cborInteger, cborMap, cborText } from "../sim/any-cbor.ts";
import { anyText, anyUtf8Text, BROKEN_UTF8 } from "../sim/any-text.ts";

const TEXTS = 20_000;
const TEXT_MAJOR = 3;

describe("a text is storable", () => {
	test("if it comes back from UTF-8 as it was and has no byte of zero", () => {
		const rng = new Rng("storable");
		const found = { yes: 0, no: 0 };
		for (let at = 0; at < TEXTS; at++) {
			const text = anyText(rng);
			const bytes = Buffer.from(text);
			const comesBack = bytes.toString() === text && !bytes.includes(0);
			expect([text, isStorable(text)]).toEqual([text, comesBack]);
			found[comesBack ? "yes" : "no"]++;
		}
		expect(Math.min(found.yes, found.no)).toBeGreaterThan(TEXTS / 4);
	});

	test("after it was made so, and is as long as before", () => {
		const rng = new Rng("made storable");
		for (let at = 0; at < TEXTS; at++) {
			const text = anyText(rng);
			const made = storable(text);
			expect(isStorable(made)).toBe(true);
			expect(made.length).toBe(text.length);
			if (isStorable(text)) expect(made).toBe(text);
			else expect(made).toContain("\ufffd");
		}
	});

	test("and the other values of a row stay as they are", () => {
		const bytes = Uint8Array.of(0, 1);
		const row = withStorableTexts({ a: "x\0y\ud800", b: "fine", c: null, d: 7, e: true, f: bytes });
		expect(row).toEqual({ a: "x\ufffdy\ufffd", b: "fine", c: null, d: 7, e: true, f: bytes });
		expect(row.f).toBe(bytes);
	});
});

/** A CBOR text that holds these bytes between valid characters. */
function brokenText(rng: Rng, broken: Uint8Array): Buffer {
	const bytes = Buffer.concat([Buffer.from(anyUtf8Text(rng)), broken, Buffer.from(rng.int(2) === 0 ? "" : "z")]);
	return Buffer.concat([cborHead(TEXT_MAJOR, bytes.length), bytes]);
}

function reasonOf(frame: Uint8Array): string {
	try {
		return readFrame(frame).scanned.kind;
	} catch (error) {
		if (error instanceof Rejection) return error.reason;
		throw error;
	}
}

describe.each(Object.keys(BROKEN_UTF8))("a text with %s", (what) => {
	const make = BROKEN_UTF8[what];
	if (make === undefined) throw new Error("no such fault");

	test("in any field of a message of any kind makes the frame malformed", () => {
		const rng = new Rng(`broken field ${what}`);
		for (const type of MESSAGE_TYPES) {
			const header = cborMap(
				new Map([
					["op", cborInteger(1)],
					["t", cborText(`#${type}`)],
				]),
			);
			for (const field of [...MESSAGE_KINDS[type].fieldNames, "unknown"]) {
				for (let round = 0; round < 5; round++) {
					const payload = new Map<string, Uint8Array>([["seq", cborInteger(1 + rng.int(1_000))]]);
					for (const name of MESSAGE_KINDS[type].fieldNames)
						if (rng.int(2) === 0) payload.set(name, anyValue(rng, { links: "frame", depthMax: 2, itemsMax: 4 }));
					payload.set(field, brokenText(rng, make(rng)));
					expect([field, reasonOf(Buffer.concat([header, cborMap(payload)]))]).toEqual([field, "frame-malformed"]);
				}
			}
		}
	});

	test("is refused in all that is checked as CBOR, also as a key", () => {
		const rng = new Rng(`broken item ${what}`);
		const rules: [Strictness, LinkRule?][] = [["frame"], ["canonical"], ["record"], ["frame", "unchecked"]];
		for (const [strictness, links] of rules) {
			for (let round = 0; round < 50; round++) {
				const text = brokenText(rng, make(rng));
				const asKey = Buffer.concat([cborHead(5, 1), text, cborInteger(1)]);
				for (const item of [text, asKey])
					expect(() => skipItem(item, 0, item.length, strictness, links)).toThrow("not UTF-8");
			}
		}
	});
});
