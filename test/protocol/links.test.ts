import { describe, expect, test } from "bun:test";
import { CborScanner, LinkError } from "../../src/protocol/cbor.ts";
import { isDataModelCid, isWholeCid } from "../../src/protocol/cid.ts";
import { readFrame } from "../../src/protocol/frame.ts";
import { Rejection } from "../../src/protocol/rejection.ts";
import { Rng } from "../../src/sim/rng.ts";
import {
	anyForeignCid,
	anyFrameCid,
	BROKEN_CIDS,
	cborArray,
	cborBytes,
	cborHead,
	cborInteger,
	cborLink,
	cborMap,
	cborText,
	cidOfParts,
	loosened,
} from "../sim/any-cbor.ts";

const ROUNDS = 200;
const CID = cidOfParts(0x71, 0x12, 32, Buffer.alloc(32, 7));

function text(fields: Record<string, Uint8Array>): Map<string, Uint8Array> {
	return new Map(Object.entries(fields));
}

/** Makes a frame with the link in one place. */
type Place = (link: Uint8Array) => Buffer;

const DID = cborText("did:plc:aaaabbbbccccddddeeeeffff");
const TIME = cborText("2026-07-04T12:00:00Z");
const FALSE = Buffer.of(0xf4);
const COMMON = { seq: cborInteger(5), did: DID, time: TIME };
const COMMIT = {
	...{ seq: cborInteger(5), repo: DID, time: TIME, rev: cborText("3lxyzabcdef22"), since: cborText("3lxyzabcdee22") },
	...{ commit: cborLink(CID), prevData: cborLink(CID), blocks: cborBytes(Buffer.of(1)), ops: cborArray([]) },
	...{ rebase: FALSE, tooBig: FALSE, blobs: cborArray([]) },
};

function frame(type: string, payload: Record<string, Uint8Array>, header: Record<string, Uint8Array> = {}): Buffer {
	return Buffer.concat([
		cborMap(text({ op: cborInteger(1), t: cborText(`#${type}`), ...header })),
		cborMap(text(payload)),
	]);
}

function op(fields: Record<string, Uint8Array>): Buffer {
	return cborArray([cborMap(text({ action: cborText("update"), path: cborText("a.b.c/d"), ...fields }))]);
}

/** Places that may have a link of any codec that the data model allows. */
const PLACES: Record<string, Place> = {
	"a header": (link) => frame("identity", COMMON, { x: link }),
	"a header, deep": (link) => frame("commit", COMMIT, { x: cborArray([cborMap(text({ y: link }))]) }),
	"an identity's unknown field": (link) => frame("identity", { ...COMMON, x: link }),
	"an account's unknown field, deep": (link) =>
		frame("account", { ...COMMON, active: FALSE, x: cborMap(text({ y: cborArray([cborInteger(1), link]) })) }),
	"a sync's unknown field": (link) =>
		frame("sync", { ...COMMON, rev: cborText("3lxyzabcdef22"), blocks: cborBytes(Buffer.of(1)), zz: link }),
	"a commit's unknown field": (link) => frame("commit", { ...COMMIT, x: cborArray([link]) }),
	"a commit's blobs": (link) => frame("commit", { ...COMMIT, blobs: cborArray([cborLink(CID), link]) }),
	"an op's cid": (link) => frame("commit", { ...COMMIT, ops: op({ cid: link }) }),
	"an op's prev": (link) => frame("commit", { ...COMMIT, ops: op({ cid: cborLink(CID), prev: link }) }),
	"an op's unknown field": (link) => frame("commit", { ...COMMIT, ops: op({ cid: cborLink(CID), x: link }) }),
};
/** Places that may only have a link of dag-cbor. */
const BLESSED_PLACES: Record<string, Place> = {
	"a commit's commit": (link) => frame("commit", { ...COMMIT, commit: link }),
	"a commit's prevData": (link) => frame("commit", { ...COMMIT, prevData: link }),
};

function reasonOf(bytes: Uint8Array): string {
	try {
		return readFrame(bytes).scanned.kind;
	} catch (error) {
		if (error instanceof Rejection) return error.reason;
		throw error;
	}
}

/** Links that no decoder can read, by what is wrong with them. */
const BROKEN_LINKS: Record<string, (rng: Rng) => Buffer> = {
	...Object.fromEntries(
		Object.entries(BROKEN_CIDS).map(([what, make]) => [what, (rng: Rng): Buffer => cborLink(make(rng))]),
	),
	"nothing at all": () => Buffer.concat([cborHead(6, 42), cborBytes(Buffer.of())]),
	"only the zero": () => Buffer.concat([cborHead(6, 42), cborBytes(Buffer.of(0))]),
	"no zero in front": (rng) => Buffer.concat([cborHead(6, 42), cborBytes(anyFrameCid(rng))]),
	"another byte in front": (rng) =>
		Buffer.concat([cborHead(6, 42), cborBytes(Buffer.concat([Buffer.of(1), anyFrameCid(rng)]))]),
	"a CID of more than 100 bytes": () => cborLink(cidOfParts(0x71, 0x12, 97, Buffer.alloc(97))),
};

describe.each(Object.entries({ ...PLACES, ...BLESSED_PLACES }))("a link in %s", (place, make) => {
	test.each(Object.entries(BROKEN_LINKS))("must be whole: not %s", (what, broken) => {
		const rng = new Rng(`broken ${what}`);
		for (let i = 0; i < ROUNDS / 20; i++) {
			const bytes = make(broken(rng));
			expect(reasonOf(bytes)).toBe("link-malformed");
			expect(reasonOf(loosened(rng, bytes))).toBe("link-malformed");
		}
	});

	test("is of dag-cbor or raw bytes and of sha-256", () => {
		const rng = new Rng("foreign");
		for (let i = 0; i < ROUNDS; i++) expect(reasonOf(make(cborLink(anyForeignCid(rng))))).toBe("link-malformed");
		for (let i = 0; i < ROUNDS; i++) {
			const cid = anyFrameCid(rng);
			const isBlessed = cid[1] === 0x71;
			const expected = isBlessed || Object.values(PLACES).includes(make) ? "message" : "message-schema";
			expect(reasonOf(make(cborLink(cid)))).toBe(expected);
		}
	});

	test("if malformed, counts less than broken framing after it; but a header is judged before what follows it", () => {
		const bytes = make(cborLink(Buffer.of(7)));
		const expected = place.startsWith("a header") ? "link-malformed" : "frame-malformed";
		expect(reasonOf(Buffer.concat([bytes, Buffer.of(0)]))).toBe(expected);
		expect(reasonOf(bytes.subarray(0, -1))).toBe(expected);
	});
});

test("a bad link counts more than a broken schema, whichever comes first", () => {
	const bad = cborLink(Buffer.of(7));
	for (const name of ["a", "zzzzzzzzzzzz"]) {
		expect(reasonOf(frame("identity", { ...COMMON, seq: TIME, [name]: bad }))).toBe("link-malformed");
		expect(reasonOf(frame("identity", { ...COMMON, seq: TIME, [name]: TIME }))).toBe("message-schema");
		expect(reasonOf(frame("identity", { ...COMMON, [name]: Buffer.of(0xf7), zz: bad }))).toBe("frame-malformed");
	}
});

test("a tag with another number, or around something other than bytes, is no DAG-CBOR at all", () => {
	for (const item of [
		Buffer.concat([cborHead(6, 43), cborBytes(CID)]),
		Buffer.concat([cborHead(6, 42), cborText("x")]),
	]) {
		expect(reasonOf(frame("identity", { ...COMMON, x: item }))).toBe("frame-malformed");
	}
});

describe("the structure of CIDs", () => {
	test("foreign ones are whole, and so is one of version 0", () => {
		const rng = new Rng("whole");
		for (let i = 0; i < ROUNDS; i++) {
			const foreign = anyForeignCid(rng);
			expect(isWholeCid(foreign, 0, foreign.length)).toBe(true);
			expect(isDataModelCid(foreign, 0, foreign.length)).toBe(false);
			const good = anyFrameCid(rng);
			expect(isWholeCid(good, 0, good.length) && isDataModelCid(good, 0, good.length)).toBe(true);
		}
		const zero = Buffer.concat([Buffer.of(0x12, 0x20), rng.bytes(32)]);
		expect(isWholeCid(zero, 0, zero.length)).toBe(true);
	});

	test.each(
		Object.entries(BROKEN_CIDS).filter(([what]) => what !== "version 0 in binary" && what !== "another prefix"),
	)("%s is none, in a record and in a node", (what, make) => {
		const rng = new Rng(`structure ${what}`);
		for (let i = 0; i < ROUNDS; i++) {
			const link = cborLink(make(rng));
			for (const strictness of ["record", "canonical"] as const) {
				expect(() => new CborScanner(link, 0, link.length, strictness).skip()).toThrow(LinkError);
			}
		}
	});

	test("cut anywhere, or with a byte more, none is whole", () => {
		const rng = new Rng("cut");
		for (let i = 0; i < ROUNDS; i++) {
			const cid = rng.int(2) === 0 ? anyForeignCid(rng) : anyFrameCid(rng);
			for (let length = 0; length < cid.length; length++) expect(isWholeCid(cid, 0, length)).toBe(false);
			const longer = Buffer.concat([cid, Buffer.of(0)]);
			expect(isWholeCid(longer, 0, longer.length)).toBe(false);
		}
	});
});
