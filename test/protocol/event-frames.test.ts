import { describe, expect, test } from "bun:test";
import { decode, decodeFirst } from "@atcute/cbor";
import { encodeErrorFrame, encodeInfoFrame } from "../../src/protocol/event-frames.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

describe("error frames", () => {
	test("have the bytes of the rulebook", () => {
		expect(hex(encodeErrorFrame("FutureCursor"))).toBe("a1626f7020" + "a1656572726f726c467574757265437572736f72");
		expect(hex(encodeErrorFrame("FutureCursor", "no"))).toBe(
			"a1626f7020" + "a2656572726f726c467574757265437572736f72" + "676d657373616765626e6f",
		);
	});

	test("are two CBOR objects and nothing else", () => {
		const [header, rest] = decodeFirst(encodeErrorFrame("ConsumerTooSlow", "Nothing was read."));
		expect(header).toEqual({ op: -1 });
		expect(decode(rest)).toEqual({ error: "ConsumerTooSlow", message: "Nothing was read." });
	});
});

describe("#info frames", () => {
	test("have the header of a message and no seq", () => {
		const frame = encodeInfoFrame("OutdatedCursor", "gone");
		expect(hex(frame).startsWith("a2617465" + "23696e666f" + "626f7001")).toBe(true);
		const [header, rest] = decodeFirst(frame);
		expect(header).toEqual({ t: "#info", op: 1 });
		expect(decode(rest)).toEqual({ name: "OutdatedCursor", message: "gone" });
	});

	test("leave out an absent message", () => {
		const [, rest] = decodeFirst(encodeInfoFrame("OutdatedCursor"));
		expect(decode(rest)).toEqual({ name: "OutdatedCursor" });
	});
});
