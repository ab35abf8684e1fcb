import { describe, expect, test } from "bun:test";
import { CidLinkWrapper, decode, encode, toBytes } from "@atcute/cbor";
import { encodeFrame, readFrame, replaceFields, scanFrame } from "../../src/protocol/frame.ts";
import type { Message } from "../../src/protocol/message.ts";
import { Rejection } from "../../src/protocol/rejection.ts";

const CID = Uint8Array.from([0x01, 0x71, 0x12, 0x20, ...new Array(32).fill(7)]);
const DID = "did:plc:aaaabbbbccccddddeeeeffff";

function commitPayload(changes: Record<string, unknown> = {}): Record<string, unknown> {
	const payload: Record<string, unknown> = {
		seq: 300,
		repo: DID,
		time: "2026-07-04T12:00:00.000Z",
		rev: "3lxyzabcdef22",
		since: null,
		commit: new CidLinkWrapper(CID),
		blocks: toBytes(Uint8Array.of(1, 2, 3)),
		ops: [{ action: "create", path: "app.bsky.feed.post/a", cid: new CidLinkWrapper(CID) }],
		prevData: new CidLinkWrapper(CID),
		blobs: [],
		rebase: false,
		tooBig: false,
		unknownField: { deep: [1, "two", null] },
		...changes,
	};
	for (const key of Object.keys(payload)) if (payload[key] === undefined) delete payload[key];
	return payload;
}

function messageOf(frame: Uint8Array): Message {
	const scanned = scanFrame(frame);
	if (scanned.kind !== "message") throw new Error(`not a message: ${scanned.kind}`);
	return scanned.message;
}

function reasonOf(run: () => unknown): string {
	try {
		run();
	} catch (error) {
		if (error instanceof Rejection) return error.reason;
		throw error;
	}
	return "accepted";
}

describe("scanning a frame", () => {
	test("finds a commit's fields where they lie", () => {
		const frame = encodeFrame("commit", commitPayload());
		const message = messageOf(frame);
		if (message.type !== "commit") throw new Error("not a commit");
		expect(message).toMatchObject({ did: DID, seq: 300, since: null, opsCount: 1, tooBig: false, rebase: false });
		expect(Buffer.from(frame.subarray(message.seqStart, message.seqEnd)).toString("hex")).toBe("19012c");
		expect([...frame.subarray(message.blocksStart, message.blocksEnd)]).toEqual([1, 2, 3]);
		expect(message.commit).toEqual(CID);
		expect(frame[message.opsStart]).toBe(0xa3);
	});

	test("finds the fields of the other types", () => {
		const common = { seq: 1, did: DID, time: "2026-07-04T12:00:00Z" };
		expect(messageOf(encodeFrame("identity", { ...common, handle: "a.test" }))).toMatchObject({ handle: "a.test" });
		expect(messageOf(encodeFrame("identity", common))).toMatchObject({ type: "identity", handle: null });
		expect(messageOf(encodeFrame("account", { ...common, active: false, status: "deleted" }))).toMatchObject({
			active: false,
			status: "deleted",
		});
		expect(messageOf(encodeFrame("sync", { ...common, rev: "3lxyzabcdef22", blocks: toBytes(CID) }))).toMatchObject({
			type: "sync",
			rev: "3lxyzabcdef22",
		});
	});

	test("knows notices, and skips ops and types it doesn't know", () => {
		const frame = (header: unknown, payload: unknown) => Buffer.concat([encode(header), encode(payload)]);
		expect(scanFrame(frame({ op: 1, t: "#info" }, { name: "OutdatedCursor" }))).toEqual({
			kind: "info",
			name: "OutdatedCursor",
			text: null,
		});
		expect(scanFrame(frame({ op: -1 }, { error: "FutureCursor", message: "no" }))).toEqual({
			kind: "error",
			error: "FutureCursor",
			text: "no",
		});
		expect(scanFrame(frame({ op: 1, t: "#handle" }, { any: 1 })).kind).toBe("ignored");
		expect(scanFrame(frame({ op: 7 }, {})).kind).toBe("ignored");
		expect(
			scanFrame(frame({ op: 1, t: "#account", extra: 1 }, { seq: 1, did: DID, time: "", active: true })).kind,
		).toBe("message");
	});

	test("names the rule that a header breaks", () => {
		const frame = (header: unknown) => Buffer.concat([encode(header), encode({})]);
		expect(reasonOf(() => readFrame(frame({ t: "#commit" })))).toBe("frame-header");
		expect(reasonOf(() => readFrame(frame({ op: "1", t: "#commit" })))).toBe("frame-header");
		expect(reasonOf(() => readFrame(frame({ op: 1 })))).toBe("frame-header");
		expect(reasonOf(() => readFrame(frame([1])))).toBe("frame-header");
	});

	test.each([
		...["seq", "repo", "time", "rev", "since", "commit", "blocks", "ops", "blobs", "rebase", "tooBig"].map(
			(field) => [field, undefined] as const,
		),
		["seq", 0],
		["seq", "1"],
		["repo", 5],
		["rev", null],
		["commit", toBytes(CID)],
		["commit", new CidLinkWrapper(Uint8Array.from([1, 0x55, ...CID.subarray(2)]))],
		["blocks", "text"],
		["ops", {}],
		["blobs", ["x"]],
		["prevData", null],
		["time", "x".repeat(65)],
	])("a commit with %s = %p breaks the schema, not the framing", (field, value) => {
		expect(reasonOf(() => readFrame(encodeFrame("commit", commitPayload({ [field]: value }))))).toBe("message-schema");
	});

	test("cut anywhere it is malformed, and so are bytes behind it", () => {
		const frame = encodeFrame("commit", commitPayload());
		for (let length = 0; length < frame.length; length++) {
			expect(reasonOf(() => readFrame(frame.subarray(0, length)))).toMatch(/^frame-(malformed|header)$/);
		}
		expect(reasonOf(() => readFrame(Buffer.concat([frame, encode({})])))).toBe("frame-malformed");
	});

	test("a flipped bit is never taken for anything but a frame or a broken rule", () => {
		const frame = encodeFrame("commit", commitPayload());
		for (let bit = 0; bit < frame.length * 8; bit++) {
			const flipped = Uint8Array.from(frame);
			flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
			expect(reasonOf(() => readFrame(flipped))).toMatch(/^(accepted|frame-malformed|frame-header|message-schema)$/);
		}
	});

	test("lengths that lie and nesting bombs are refused before they cost anything", () => {
		const header = encode({ op: 1, t: "#commit" });
		const body = (hex: string) => Buffer.concat([header, Buffer.from(hex, "hex")]);
		for (const hex of ["bb001fffffffffffff", "a1637365719bffffffffffffffff", "a16373657100ff", "5b00000000ffffffff"]) {
			expect(reasonOf(() => readFrame(body(hex)))).toBe("frame-malformed");
		}
		expect(reasonOf(() => readFrame(body(`a16178${"81".repeat(1_000_000)}`)))).toBe("frame-malformed");
		expect(reasonOf(() => readFrame(new Uint8Array(5_000_001)))).toBe("frame-too-large");
	});
});

describe("a frame that is valid but not canonical", () => {
	const canonical = encodeFrame("account", { seq: 5, did: DID, time: "2026-07-04T12:00:00Z", active: true });

	test("is rewritten to the canonical bytes", () => {
		const did = Buffer.concat([Buffer.from("63646964", "hex"), encode(DID)]);
		const time = Buffer.concat([Buffer.from("6474696d65", "hex"), encode("2026-07-04T12:00:00Z")]);
		const header = encode({ op: 1, t: "#account" });
		// Keys out of order, `seq` in nine bytes, the map's size in two, a key's length in two.
		const loose = Buffer.concat([
			header,
			Buffer.from("b804", "hex"),
			time,
			did,
			Buffer.from("63736571", "hex"),
			Buffer.from("1b0000000000000005", "hex"),
			Buffer.from("7806616374697665f5", "hex"),
		]);
		const { frame, rewritten } = readFrame(loose);
		expect(rewritten).toBe(true);
		expect(Buffer.from(frame).equals(canonical)).toBe(true);
	});

	test.each([
		["a float", "a16178fb3ff8000000000000"],
		["a double key", "a2617801617802"],
		["an indefinite array", "a161789fff"],
		["another tag", "a16178c101"],
		["text that is not UTF-8", "a1617861ff"],
		["an integer beyond 2^53-1", "a161781b0020000000000000"],
	])("has no remedy for %s", (_what, hex) => {
		const frame = Buffer.concat([encode({ op: 1, t: "#account" }), Buffer.from(hex, "hex")]);
		expect(reasonOf(() => readFrame(frame))).toBe("frame-malformed");
	});
});

test("replacing fields keeps those we don't know", () => {
	const frame = encodeFrame("identity", {
		seq: 1,
		did: DID,
		time: "2026-07-04T12:00:00Z",
		handle: "a.test",
		extra: [1],
	});
	const changed = replaceFields(frame, { handle: undefined });
	expect(messageOf(changed)).toMatchObject({ type: "identity", handle: null, did: DID });
	const headerLength = encode({ op: 1, t: "#identity" }).length;
	expect(decode(changed.subarray(headerLength))).toMatchObject({ extra: [1] });
});
