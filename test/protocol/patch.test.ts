import { describe, expect, test } from "bun:test";
import { encode } from "@atcute/cbor";
import { scanFrame } from "../../src/protocol/frame.ts";
import { type FieldChanges, patchFields, withoutNulls } from "../../src/protocol/patch.ts";
import { Rng } from "../../src/sim/rng.ts";
import {
	anyKey,
	anyValue,
	cborArray,
	cborInteger,
	cborMap,
	cborText,
	deepValue,
	FIELD_OPTIONS,
} from "../sim/any-cbor.ts";

const DID = "did:plc:aaaabbbbccccddddeeeeffff";
const NULL = Buffer.of(0xf6);
const CASES = 1_500;
/** Names of fields to change: shorter and longer than the others, and of the same length as some. */
const NAMES = ["status", "handle", "active", "a", "zz", "blobs", "since", "x".repeat(40)];

/** A frame of an `#account`, as header and fields. */
interface Parts {
	header: Map<string, Uint8Array>;
	fields: Map<string, Uint8Array>;
}

function build({ header, fields }: Parts): Buffer {
	return Buffer.concat([cborMap(header), cborMap(fields)]);
}

function anyParts(rng: Rng): Parts {
	const header = new Map<string, Uint8Array>([
		["t", cborText("#account")],
		["op", cborInteger(1)],
	]);
	if (rng.int(4) === 0) header.set("further", anyValue(rng));
	const fields = new Map<string, Uint8Array>([
		["did", cborText(DID)],
		["seq", cborInteger(rng.pick([1, 24, 70_000, Number.MAX_SAFE_INTEGER]))],
		["time", cborText("2026-07-04T12:00:00Z")],
		["active", encode(rng.int(2) === 0)],
	]);
	if (rng.int(2) === 0) fields.set("status", cborText("deactivated"));
	// Numbers of fields at which one field more or less changes the size of the map's head.
	const count = rng.pick([0, 1, 3, 22, 23, 24, 25, 254, 255, 256, 257]);
	const options = count > 30 ? { ...FIELD_OPTIONS, itemsMax: 2 } : FIELD_OPTIONS;
	for (let i = 0; fields.size < count; i++) {
		const key = rng.int(3) === 0 ? anyKey(rng) : `x${i}`;
		if (!fields.has(key) && key !== "handle" && key !== "status") fields.set(key, anyValue(rng, options));
	}
	return { header, fields };
}

function anyChanges(rng: Rng): Map<string, Uint8Array | null> {
	const changes = new Map<string, Uint8Array | null>();
	for (const name of NAMES) {
		if (rng.int(3) > 0) continue;
		if (rng.int(2) === 0) changes.set(name, name === "active" ? encode(false) : null);
		else changes.set(name, name === "active" ? encode(true) : cborText(rng.text(rng.int(30), "abc")));
	}
	// A message must have this field.
	if (changes.get("active") === null) changes.delete("active");
	return changes;
}

function changed(fields: ReadonlyMap<string, Uint8Array>, changes: FieldChanges): Map<string, Uint8Array> {
	const result = new Map(fields);
	for (const [name, value] of changes) {
		if (value === null) result.delete(name);
		else result.set(name, value);
	}
	return result;
}

/** The same change, made by building the frame anew. */
function rebuilt({ header, fields }: Parts, changes: FieldChanges): Buffer {
	return build({ header, fields: changed(fields, changes) });
}

function seqOf(frame: Uint8Array): { seqStart: number; seqEnd: number } {
	const scanned = scanFrame(frame);
	if (scanned.kind !== "message") throw new Error("not a message");
	const { seqStart, seqEnd } = scanned.message;
	return { seqStart, seqEnd };
}

function expectPatched(parts: Parts, changes: FieldChanges): void {
	const frame = build(parts);
	const before = Buffer.from(frame);
	const patched = patchFields(frame, seqOf(frame), changes);
	const expected = rebuilt(parts, changes);
	if (!expected.equals(patched.frame))
		expect(Buffer.from(patched.frame).toString("hex")).toBe(expected.toString("hex"));
	const { seqStart, seqEnd } = patched;
	expect({ seqStart, seqEnd }).toEqual(seqOf(expected));
	expect(frame.equals(before)).toBe(true);
}

describe("changing fields of a frame", () => {
	test(`gives the bytes that building it anew gives, in ${CASES} generated frames`, () => {
		for (let i = 0; i < CASES; i++) {
			const rng = new Rng(`patch ${i}`);
			expectPatched(anyParts(rng), anyChanges(rng));
		}
	});

	test.each([
		["a text that looks like a link", cborMap(new Map([["$link", cborText("x")]]))],
		["a number that looks like bytes", cborMap(new Map([["$bytes", cborInteger(1)]]))],
		["a text that looks like bytes", cborMap(new Map([["$bytes", cborText("AAAA")]]))],
		["names that objects have", cborMap(new Map([["__proto__", cborMap(new Map([["constructor", cborInteger(1)]]))]]))],
		["the deepest nesting", deepValue(new Rng("deep"), FIELD_OPTIONS.depthMax)],
		["a long array", cborArray(new Array(8_192).fill(cborInteger(-1)))],
	])("keeps %s", (_what, value) => {
		for (const name of ["extra", "constructor", "__proto__", "$type", "h", "handlf"]) {
			const parts = anyParts(new Rng(`keeps ${name}`));
			parts.fields.set(name, value);
			expectPatched(parts, new Map([["handle", null]]));
			expectPatched(parts, new Map([["handle", cborText("a.test")]]));
			const takendown = { active: encode(false), status: cborText("takendown") };
			expectPatched(parts, new Map(Object.entries(takendown)));
		}
	});

	test(`takes a null out of the maps of an array, and nothing else, in ${CASES} generated ones`, () => {
		for (let i = 0; i < CASES; i++) {
			const rng = new Rng(`items ${i}`);
			const anyItem = (): Map<string, Uint8Array> | null => {
				if (rng.int(5) === 0) return null;
				const fields = new Map<string, Uint8Array>();
				const value = (): Uint8Array => (rng.int(3) === 0 ? NULL : anyValue(rng, { ...FIELD_OPTIONS, itemsMax: 8 }));
				for (let left = rng.int(4); left > 0; left--) fields.set(anyKey(rng), value());
				if (rng.int(2) === 0) fields.set("prev", value());
				return fields;
			};
			const items = Array.from({ length: rng.pick([0, 1, 2, 23, 24, 40]) }, anyItem);
			const arrayOf = (list: typeof items): Buffer =>
				cborArray(list.map((fields) => (fields === null ? cborArray([cborInteger(7)]) : cborMap(fields))));
			const expected = arrayOf(
				items.map((fields) =>
					fields?.get("prev")?.[0] === 0xf6 ? changed(fields, new Map([["prev", null]])) : fields,
				),
			);
			const result = withoutNulls(Buffer.concat([Buffer.of(0), arrayOf(items), Buffer.of(0)]), 1, "prev");
			if (!expected.equals(result)) expect(Buffer.from(result).toString("hex")).toBe(expected.toString("hex"));
		}
	});

	test("leaves a frame as it is if there is nothing to change", () => {
		const parts = anyParts(new Rng("nothing"));
		parts.fields.delete("status");
		expectPatched(parts, new Map());
		expectPatched(parts, new Map([["status", null]]));
	});
});
