import { describe, expect, test } from "bun:test";
import { CidLinkWrapper, encode, toBytes } from "@atcute/cbor";
import { encodeFrame, readFrame, scanFrame } from "../../src/protocol/frame.ts";
import type { Message } from "../../src/protocol/kinds/table.ts";
import { FRAME_BYTES_MAX, FRAME_CONTAINER_ITEMS_MAX, FRAME_ROOM_BYTES } from "../../src/protocol/limits.ts";
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
		expect(scanFrame(frame({ op: 7, t: null }, {})).kind).toBe("ignored");
		expect(scanFrame(frame({ op: -7, t: [1] }, {})).kind).toBe("ignored");
		expect(scanFrame(frame({ op: -1, t: "#x" }, { error: "FutureCursor" })).kind).toBe("error");
		expect(
			scanFrame(frame({ op: 1, t: "#account", extra: 1 }, { seq: 1, did: DID, time: "", active: true })).kind,
		).toBe("message");
	});

	test("does not look at the payload of a kind that it doesn't know", () => {
		const rest = ["", "00", "a16178fb3ff8000000000000", "9fff", "ff", "a0a0a0", "d82a4107", "5b00000000ffffffff"];
		// Canonical, and with keys the other way round and longer heads than needed.
		for (const header of ["a2617463236e65626f7001", "b802626f701801617463236e65", "a1626f7007", "a1626f7026"]) {
			for (const hex of rest) {
				expect(readFrame(Buffer.from(header + hex, "hex")).scanned.kind).toBe("ignored");
			}
		}
	});

	test("names the rule that a header breaks", () => {
		const frame = (header: unknown) => Buffer.concat([encode(header), encode({})]);
		expect(reasonOf(() => readFrame(frame({ t: "#commit" })))).toBe("frame-header");
		expect(reasonOf(() => readFrame(frame({ op: "1", t: "#commit" })))).toBe("frame-header");
		expect(reasonOf(() => readFrame(frame({ op: 1 })))).toBe("frame-header");
		expect(reasonOf(() => readFrame(frame({ op: 1, t: null })))).toBe("frame-header");
		expect(reasonOf(() => readFrame(frame({ op: null, t: "#commit" })))).toBe("frame-header");
		expect(reasonOf(() => readFrame(frame([1])))).toBe("frame-header");
	});

	test.each([
		...["seq", "repo", "time", "rev", "commit", "blocks", "ops"].flatMap(
			(field) =>
				[
					[field, undefined],
					[field, null],
				] as const,
		),
		["seq", 0],
		["seq", "1"],
		["repo", 5],
		["commit", toBytes(CID)],
		["commit", new CidLinkWrapper(Uint8Array.from([1, 0x55, ...CID.subarray(2)]))],
		["blocks", "text"],
		["ops", {}],
		["blobs", ["x"]],
		["prevData", "x"],
		["since", 1],
		["rebase", 0],
		["tooBig", "x"],
		["time", "x".repeat(65)],
	])("a commit with %s = %p breaks the schema, not the framing", (field, value) => {
		expect(reasonOf(() => readFrame(encodeFrame("commit", commitPayload({ [field]: value }))))).toBe("message-schema");
	});

	test("that is cut anywhere, or has bytes after it, is malformed", () => {
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
			expect(reasonOf(() => readFrame(flipped))).toMatch(
				/^(accepted|frame-malformed|frame-header|link-malformed|message-schema)$/,
			);
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

	test("a message leaves room for the relay's own seq", () => {
		const frame = (length: number) => {
			const padding = length - encodeFrame("commit", commitPayload({ unknownField: "x".repeat(100_000) })).length;
			return encodeFrame("commit", commitPayload({ unknownField: "x".repeat(100_000 + padding) }));
		};
		expect(readFrame(frame(FRAME_BYTES_MAX - FRAME_ROOM_BYTES)).scanned.kind).toBe("message");
		expect(reasonOf(() => readFrame(frame(FRAME_BYTES_MAX - FRAME_ROOM_BYTES + 1)))).toBe("frame-too-large");
	});
});

describe("containers", () => {
	const LIMIT = FRAME_CONTAINER_ITEMS_MAX;
	const link = () => new CidLinkWrapper(CID);
	const fields = (count: number, payload: Record<string, unknown>) => {
		for (let i = Object.keys(payload).length; i < count; i++) payload[`x${i}`] = i;
		return payload;
	};

	test.each([
		["blobs", (count: number) => encodeFrame("commit", commitPayload({ blobs: Array.from({ length: count }, link) }))],
		["ops", (count: number) => encodeFrame("commit", commitPayload({ ops: new Array(count).fill({}) }))],
		["fields", (count: number) => encodeFrame("commit", fields(count, commitPayload()))],
		["an op's fields", (count: number) => encodeFrame("commit", commitPayload({ ops: [fields(count, {})] }))],
		[
			"items of an unknown field",
			(count: number) => encodeFrame("commit", commitPayload({ x: new Array(count).fill(0) })),
		],
	])("hold up to 8,192 %s, where the consumers in Go stop", (_what, frame) => {
		expect(reasonOf(() => readFrame(frame(LIMIT)))).toBe("accepted");
		expect(reasonOf(() => readFrame(frame(LIMIT + 1)))).toBe("frame-malformed");
	});

	test("leave room for what the relay adds", () => {
		const account = { seq: 5, did: DID, time: "2026-07-04T12:00:00Z", active: true };
		expect(reasonOf(() => readFrame(encodeFrame("account", fields(LIMIT - 1, { ...account }))))).toBe("accepted");
		expect(reasonOf(() => readFrame(encodeFrame("account", fields(LIMIT, { ...account }))))).toBe("message-schema");
		const said = { ...account, status: "deleted" };
		expect(reasonOf(() => readFrame(encodeFrame("account", fields(LIMIT, said))))).toBe("accepted");
		const incomplete = commitPayload({ since: undefined });
		expect(reasonOf(() => readFrame(encodeFrame("commit", fields(LIMIT, incomplete))))).toBe("frame-malformed");
	});
});

describe("null and absent fields", () => {
	const whole = encodeFrame("commit", commitPayload({ since: null }));

	test.each(
		["since", "rebase", "tooBig", "blobs"].flatMap((field) =>
			[undefined, null].map((value) => [field, value] as const),
		),
	)("a commit whose %s is %p goes out with what the lexicon asks for", (field, value) => {
		const sent = encodeFrame("commit", commitPayload({ since: null, [field]: value }));
		const { scanned, frame, rewritten } = readFrame(sent);
		expect(Buffer.from(frame).equals(whole)).toBe(true);
		expect(rewritten).toBe(!Buffer.from(sent).equals(whole));
		expect(scanned).toEqual(scanFrame(whole));
		expect(scanFrame(sent)).toMatchObject({
			message: { since: null, rebase: false, tooBig: false, prevData: CID, opsCount: 1 },
		});
	});

	test("all of them at once, in a message whose header has further fields and which is not canonical", () => {
		const payload = commitPayload({
			since: undefined,
			rebase: undefined,
			tooBig: null,
			blobs: undefined,
			prevData: null,
		});
		const sent = Buffer.concat([
			Buffer.from("a3626f7001617467", "hex"),
			Buffer.from("#commit"),
			Buffer.from("617801", "hex"),
			encode(payload),
		]);
		const { frame, rewritten } = readFrame(sent);
		const expected = encodeFrame("commit", commitPayload({ since: null, prevData: undefined }));
		expect(Buffer.from(frame).toString("hex")).toBe(Buffer.from(expected).toString("hex"));
		expect(rewritten).toBe(true);
	});

	test.each([
		["prevData of a commit", "commit", commitPayload({ prevData: null }), commitPayload({ prevData: undefined })],
		["handle of an identity", "identity", { ...common(), handle: null }, common()],
		["status of an account", "account", { ...common(), active: true, status: null }, { ...common(), active: true }],
	] as const)("a null %s is left out", (_what, type, sent, plain) => {
		const { scanned, frame, rewritten } = readFrame(encodeFrame(type, { ...sent }));
		expect(Buffer.from(frame).equals(encodeFrame(type, { ...plain }))).toBe(true);
		expect(rewritten).toBe(true);
		expect(scanned).toEqual(scanFrame(frame));
	});

	test("a null prev of an op is left out; an item that is no op is left to the engine", () => {
		const op = { action: "create", path: "app.bsky.feed.post/a", cid: new CidLinkWrapper(CID), more: { prev: null } };
		const others = [7, null, [{ prev: null }], {}, { prev: new CidLinkWrapper(CID) }];
		const sent = encodeFrame(
			"commit",
			commitPayload({ ops: [{ ...op, prev: null }, ...others, { prev: null, zz: 1 }] }),
		);
		const plain = encodeFrame("commit", commitPayload({ ops: [op, ...others, { zz: 1 }] }));
		const { scanned, frame, rewritten } = readFrame(sent);
		expect(Buffer.from(frame).toString("hex")).toBe(Buffer.from(plain).toString("hex"));
		expect(rewritten).toBe(true);
		expect(scanned).toEqual(scanFrame(plain));
	});

	test("an error's message may be null", () => {
		const frame = Buffer.concat([encode({ op: -1 }), encode({ error: "FutureCursor", message: null })]);
		expect(scanFrame(frame)).toEqual({ kind: "error", error: "FutureCursor", text: null });
	});

	test("a header's further fields are left out, of every type", () => {
		for (const [type, payload] of [
			["commit", commitPayload()],
			["identity", { ...common(), handle: "a.test" }],
			["account", { ...common(), active: false, status: "deleted" }],
			["sync", { ...common(), rev: "3lxyzabcdef22", blocks: toBytes(CID) }],
		] as const) {
			const plain = encodeFrame(type, payload);
			const extra = Object.fromEntries([["__proto__", { op: -1 }]]);
			const header = encode({ op: 1, t: `#${type}`, ...extra, further: new CidLinkWrapper(CID) });
			const { scanned, frame, rewritten } = readFrame(Buffer.concat([header, encode(payload)]));
			expect(Buffer.from(frame).equals(plain)).toBe(true);
			expect({ kind: scanned.kind, rewritten }).toEqual({ kind: "message", rewritten: true });
		}
	});

	function common(): Record<string, unknown> {
		return { seq: 5, did: DID, time: "2026-07-04T12:00:00Z" };
	}
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
