import { describe, expect, test } from "bun:test";
import { encode } from "@atcute/cbor";
import { scanFrame } from "../../src/protocol/frame.ts";
import { MESSAGE_CODES, MESSAGE_KINDS, MESSAGE_TYPES } from "../../src/protocol/kinds/table.ts";

describe("the kinds of messages", () => {
	test("keep their codes, since older logs have them", () => {
		expect(MESSAGE_CODES).toMatchObject({ commit: 1, sync: 2, identity: 3, account: 4 });
	});

	test("have different codes, all below those of control records", () => {
		const codes = Object.values(MESSAGE_CODES);
		expect(new Set(codes).size).toBe(MESSAGE_TYPES.length);
		for (const code of codes) expect(code).toBeWithin(1, 16);
	});

	test.each(MESSAGE_TYPES)("#%s reads the fields that every message has, each once", (type) => {
		const { didField, fieldNames } = MESSAGE_KINDS[type];
		expect(fieldNames).toEqual(expect.arrayContaining(["seq", "time", didField]));
		expect(new Set(fieldNames).size).toBe(fieldNames.length);
	});

	test.each(MESSAGE_TYPES)("#%s is known by its header, and can't do without its DID", (type) => {
		const frame = Buffer.concat([encode({ op: 1, t: `#${type}` }), encode({ seq: 1 })]);
		expect(() => scanFrame(frame)).toThrow(`no ${MESSAGE_KINDS[type].didField}`);
	});
});
