import { beforeAll, describe, expect, test } from "bun:test";
import { encode } from "@atcute/cbor";
import { readFrame } from "../../../src/protocol/frame.ts";
import type { MessageType } from "../../../src/protocol/kinds/table.ts";
import { CBOR_KEY_BYTES_MAX, FRAME_CONTAINER_ITEMS_MAX, INTEGER_MAX } from "../../../src/protocol/limits.ts";
import { Rejection } from "../../../src/protocol/rejection.ts";
import type { SimAccount } from "../../../src/sim/account.ts";
import type { SimMessage } from "../../../src/sim/message.ts";
import { Rng } from "../../../src/sim/rng.ts";
import {
	anyFrameCid,
	cborArray,
	cborBytes,
	cborInteger,
	cborLink,
	cborMap,
	cborText,
	deepValue,
	FIELD_OPTIONS,
	fieldsOf,
	frameWithExtras,
	loosened,
} from "../../sim/any-cbor.ts";
import { makeSpecimens, mutatedFrame } from "../../verify/mutate.ts";
import { makeAccount } from "../../verify/seal.ts";
import { DECODERS } from "./decoders.ts";

const ROUNDS = 250;
const MUTATED = 3_000;
const TYPES = ["commit", "sync", "identity", "account"] as const satisfies readonly MessageType[];

/** The frame as the relay passes it on, or null if the relay refuses it or doesn't keep it. */
function asPassedOn(frame: Uint8Array): { type: MessageType; frame: Uint8Array } | null {
	try {
		const read = readFrame(frame);
		return read.scanned.kind === "message" ? { type: read.scanned.message.type, frame: read.frame } : null;
	} catch (error) {
		if (error instanceof Rejection) return null;
		throw error;
	}
}

async function messageOf(type: MessageType, account: SimAccount): Promise<SimMessage> {
	if (type === "commit") return account.commit();
	if (type === "sync") return account.sync();
	if (type === "identity") return account.identity(account.rng.int(2) === 0 ? null : account.handle);
	return account.account(account.rng.int(2) === 0, account.rng.pick([null, "deactivated", "something new"]));
}

/** A frame as a host may send it: with optional fields absent or null, and not always in canonical encoding. */
function sparse(rng: Rng, message: SimMessage, seq: number): Buffer {
	const fields = fieldsOf(message, seq);
	for (const name of ["since", "rebase", "tooBig", "blobs", "prevData", "handle", "status"]) {
		if (rng.int(2) === 0 || (name === "since" && rng.int(2) === 0)) continue;
		const isOfType = fields.has(name) || (name === "handle" && message.type === "identity");
		if (isOfType && rng.int(2) === 0) fields.set(name, encode(null));
		else fields.delete(name);
	}
	const { ops } = message.body;
	if (Array.isArray(ops) && rng.int(3) === 0) fields.set("ops", encode(ops.map((op) => ({ prev: null, ...op }))));
	const header = new Map<string, Uint8Array>([
		["op", cborInteger(1)],
		["t", cborText(`#${message.type}`)],
	]);
	if (rng.int(4) === 0) header.set("__proto__", cborMap(new Map([["op", cborInteger(-1)]])));
	const frame = Buffer.concat([cborMap(header), cborMap(fields)]);
	return rng.int(2) === 0 ? frame : loosened(rng, frame);
}

/** Values at the limits of what passes, in an unknown field. */
function edgeValues(rng: Rng): Buffer[] {
	const many = <T>(make: () => T): T[] => Array.from({ length: FRAME_CONTAINER_ITEMS_MAX }, make);
	return [
		cborInteger(INTEGER_MAX),
		cborInteger(-INTEGER_MAX),
		cborText("é".repeat(500_000)),
		cborText("\u0000\ufeff\u{10ffff}\ud7ff"),
		cborBytes(Buffer.alloc(3_000_000)),
		cborArray(many(() => cborLink(anyFrameCid(rng)))),
		cborArray(many(() => cborArray([]))),
		cborMap(new Map(many(() => [rng.text(12, "abcdefghij"), cborInteger(rng.int(1000))] as const))),
		cborMap(new Map([["k".repeat(CBOR_KEY_BYTES_MAX), cborInteger(1)]])),
		cborMap(new Map([["$link", cborText("x")]])),
		cborMap(new Map([["$bytes", cborInteger(1)]])),
		cborMap(new Map([["__proto__", cborMap(new Map([["__proto__", Buffer.of(0xf6)]]))]])),
		...Array.from({ length: 20 }, () => deepValue(rng, FIELD_OPTIONS.depthMax)),
	];
}

/** Frames without unknown fields, in which a consumer must find no fault at all. */
const plain: Uint8Array[] = [];
/** Frames with any unknown fields. */
const odd: Uint8Array[] = [];
const passed = new Map<MessageType, number>(TYPES.map((type) => [type, 0]));

function add(list: Uint8Array[], sent: Uint8Array): void {
	const out = asPassedOn(sent);
	if (out === null) return;
	list.push(out.frame);
	passed.set(out.type, (passed.get(out.type) ?? 0) + 1);
}

beforeAll(async () => {
	const account = await makeAccount("decoders", 20, "k256");
	for (let i = 0; i < ROUNDS; i++) {
		const rng = new Rng(`decoders ${i}`);
		for (const type of TYPES) {
			add(plain, sparse(rng, await messageOf(type, account), 1 + rng.int(2 ** 20)));
			const frame = frameWithExtras(rng, await messageOf(type, account), 1 + rng.int(2 ** 20));
			add(odd, rng.int(2) === 0 ? frame : loosened(rng, frame));
		}
	}
	const rng = new Rng("edges");
	for (const type of TYPES) {
		for (const [index, value] of edgeValues(rng).entries()) {
			const fields = fieldsOf(await messageOf(type, account), 7).set(index % 2 === 0 ? "x" : "zzzzzzzzzz", value);
			const header = encode({ op: 1, t: `#${type}` });
			const before = odd.length;
			add(odd, Buffer.concat([header, cborMap(fields)]));
			expect(odd.length).toBe(before + 1);
		}
	}
	const specimens = await makeSpecimens("decoders");
	for (let i = 0; i < MUTATED; i++) add(odd, mutatedFrame(specimens, "decoders", i).frame);
}, 300_000);

test("frames of each type are passed on, the odd ones too", () => {
	expect(plain.length).toBe(ROUNDS * TYPES.length);
	expect(odd.length).toBeGreaterThan(ROUNDS * TYPES.length + MUTATED / 3);
	for (const type of TYPES) expect(passed.get(type)).toBeGreaterThan(2 * ROUNDS - 1);
});

/** Each decoder, and why it can't run here, if so. */
const decoders = DECODERS.map((decoder) => ({ decoder, unavailable: decoder.unavailable() }));

describe("what the relay passes on can be decoded", () => {
	for (const { decoder, unavailable } of decoders) {
		if (unavailable !== null) {
			test.skip(`by ${decoder.name} (skipped: ${unavailable})`, () => {});
			continue;
		}
		test(`by ${decoder.name}, which refuses what is broken`, async () => {
			const opinions = await decoder.decode([...plain, ...odd]);
			const errors = opinions.flatMap(({ error }, index) => (error === undefined ? [] : [{ index, error }]));
			expect(errors.slice(0, 5)).toEqual([]);
			const invalid = opinions.slice(0, plain.length).filter((opinion) => opinion.invalid !== undefined);
			expect(invalid.slice(0, 5)).toEqual([]);

			const header = encode({ op: 1, t: "#identity" });
			const broken = [Buffer.concat([header, cborMap(new Map([["x", cborLink(Buffer.of(7))]]))]), header];
			const refused = (await decoder.decode(broken)).map(({ error }) => error !== undefined);
			expect(refused).toEqual([true, true]);
		}, 300_000);
	}
});
