import { encode } from "@atcute/cbor";
import { CBOR_DEPTH_MAX } from "../../src/protocol/limits.ts";
import type { SimMessage } from "../../src/sim/message.ts";
import type { Rng } from "../../src/sim/rng.ts";

/**
 * Random values of DAG-CBOR, made as bytes, so that no library limits what a test can send. All are canonical and within the
 * limits, unless an option says otherwise.
 */

const MAJOR = { unsigned: 0, negative: 1, bytes: 2, text: 3, array: 4, map: 5, tag: 6 } as const;
const CID_TAG = 42;
const CODEC = { dagCbor: 0x71, raw: 0x55, dagPb: 0x70, json: 0x0200 } as const;
const HASH = { identity: 0x00, sha1: 0x11, sha256: 0x12, sha512: 0x13, blake3: 0x1e } as const;

/** Values at which the length of a head changes, and the limits of integers. */
const EDGE_INTEGERS = [
	...[0, 1, 23, 24, 255, 256, 65_535, 65_536, 2 ** 31, 2 ** 32 - 1, 2 ** 32],
	...[Number.MAX_SAFE_INTEGER - 1, Number.MAX_SAFE_INTEGER],
];
/** Counts at which the head of a map, an array, a text or a byte string changes its length. */
const EDGE_COUNTS = [23, 24, 25, 255, 256, 257];
/** Keys that have a special meaning in a program that makes objects from maps. */
const HOSTILE_KEYS = [
	...["$link", "$bytes", "$type", "__proto__", "constructor", "prototype", "toString", "valueOf", "hasOwnProperty"],
	...["then", "toJSON", "length", "", "0", "-1", "/", "é", "\u0000", "\u{1f6b0}"],
];
const HOSTILE_TEXTS = [
	...["", "x", "AAAA", "bafyreie5737gdxlw5i64vzichcalba3z2v5n6icifvx5xytvske7mr3hpm", "did:plc:x", "null", "\u0000"],
	...["é", "\u{1f6b0}", "\ufeff", "\u2028", "\ud7ff", "\ufffd", "e\u0301"],
];
const ALPHABET = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/** The head of an item, in its shortest form. */
export function cborHead(major: number, argument: number): Buffer {
	const first = major << 5;
	if (argument < 24) return Buffer.of(first | argument);
	if (argument < 0x100) return Buffer.of(first | 24, argument);
	const [info, size] = argument < 0x10000 ? [25, 2] : argument < 0x1_0000_0000 ? [26, 4] : [27, 8];
	const head = Buffer.alloc(1 + size);
	head[0] = first | info;
	if (size === 8) head.writeBigUInt64BE(BigInt(argument), 1);
	else head.writeUIntBE(argument, 1, size);
	return head;
}

export function cborInteger(value: number): Buffer {
	return value < 0 ? cborHead(MAJOR.negative, -1 - value) : cborHead(MAJOR.unsigned, value);
}

export function cborText(text: string): Buffer {
	const bytes = Buffer.from(text);
	return Buffer.concat([cborHead(MAJOR.text, bytes.length), bytes]);
}

export function cborBytes(bytes: Uint8Array): Buffer {
	return Buffer.concat([cborHead(MAJOR.bytes, bytes.length), bytes]);
}

/** A link to a binary CID, which may be any bytes. */
export function cborLink(cid: Uint8Array): Buffer {
	return Buffer.concat([cborHead(MAJOR.tag, CID_TAG), cborBytes(Buffer.concat([Buffer.of(0), cid]))]);
}

export function cborArray(items: readonly Uint8Array[]): Buffer {
	return Buffer.concat([cborHead(MAJOR.array, items.length), ...items]);
}

/** A map in canonical order. The values must be encoded already. */
export function cborMap(pairs: ReadonlyMap<string, Uint8Array>): Buffer {
	const keys = [...pairs.keys()].sort((a, b) => Buffer.byteLength(a) - Buffer.byteLength(b) || compareBytes(a, b));
	const chunks = keys.flatMap((key) => [cborText(key), pairs.get(key) ?? Buffer.of()]);
	return Buffer.concat([cborHead(MAJOR.map, pairs.size), ...chunks]);
}

function compareBytes(a: string, b: string): number {
	return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** A CIDv1 whose parts need not fit together. All numbers below 2^32. */
export function cidOfParts(codec: number, hash: number, length: number, digest: Uint8Array, version = 1): Buffer {
	return Buffer.concat([...[version, codec, hash, length].map(varint), digest]);
}

/** Unsigned LEB128, in its shortest form. */
function varint(value: number): Buffer {
	const bytes: number[] = [];
	let left = value;
	for (; left >= 0x80; left = Math.floor(left / 0x80)) bytes.push((left % 0x80) | 0x80);
	return Buffer.from([...bytes, left]);
}

/** A CID as the protocol's own data may have it: version 1, dag-cbor or raw, sha-256. */
export function anyFrameCid(rng: Rng): Buffer {
	return cidOfParts(rng.pick([CODEC.dagCbor, CODEC.dagCbor, CODEC.raw]), HASH.sha256, 32, rng.bytes(32));
}

/** A CID that is whole, but of another codec or hash than the protocol's own data may have. */
export function anyForeignCid(rng: Rng): Buffer {
	const codec = rng.pick([...Object.values(CODEC), 0x80, 0x4000]);
	const [hash, length] = rng.pick([
		[HASH.sha512, 64],
		[HASH.sha1, 20],
		[HASH.blake3, 32],
		[HASH.identity, 1 + rng.int(40)],
		[0xb220, 32],
	]);
	return cidOfParts(codec, hash, length, rng.bytes(length));
}

/** Bytes that are not a CID, by what is wrong with them. */
export const BROKEN_CIDS: Readonly<Record<string, (rng: Rng) => Buffer>> = {
	"one byte": (rng) => Buffer.of(rng.int(256)),
	"all zeros": (rng) => Buffer.alloc(1 + rng.int(40)),
	"version 0 in binary": (rng) => Buffer.concat([Buffer.of(0x12, 0x20), rng.bytes(32)]),
	"version 2": (rng) => cidOfParts(CODEC.dagCbor, HASH.sha256, 32, rng.bytes(32), 2),
	"version 0 in front": (rng) => cidOfParts(CODEC.dagCbor, HASH.sha256, 32, rng.bytes(32), 0),
	"a short digest": (rng) => cidOfParts(CODEC.dagCbor, HASH.sha256, 32, rng.bytes(rng.int(32))),
	"a long digest": (rng) => cidOfParts(CODEC.dagCbor, HASH.sha256, 32, rng.bytes(33 + rng.int(20))),
	"an endless varint": (rng) => Buffer.concat([Buffer.of(1), Buffer.alloc(1 + rng.int(40), 0x80)]),
	"a varint that is too long": (rng) =>
		Buffer.concat([Buffer.of(1, 0x71, 0x12, 0xa0, ...new Array(9).fill(0x80), 0), rng.bytes(32)]),
	"a varint that is not the shortest": (rng) => Buffer.concat([Buffer.of(0x01, 0xf1, 0x00, 0x12, 0x20), rng.bytes(32)]),
	"no digest": () => Buffer.of(0x01, 0x71, 0x12, 0x20),
	"no length": () => Buffer.of(0x01, 0x71, 0x12),
	"no hash": () => Buffer.of(0x01, 0x71),
	"another prefix": (rng) => Buffer.concat([rng.bytes(4), rng.bytes(32)]),
};

/** What the generator may make. */
export interface AnyCborOptions {
	/** Which links there are. `foreign` ones are whole, but not of the codecs and the hash of the protocol. */
	readonly links: "frame" | "foreign" | "none";
	/** The most containers inside each other, including the value itself. */
	readonly depthMax: number;
	/** The most items in all containers together. Must be large to get containers of 255 items or more. */
	readonly itemsMax: number;
}

/** Options for values that fit into a field of a payload. */
export const FIELD_OPTIONS: AnyCborOptions = { links: "frame", depthMax: CBOR_DEPTH_MAX - 1, itemsMax: 400 };

/** Any value of the data model. */
export function anyValue(rng: Rng, options: AnyCborOptions = FIELD_OPTIONS): Buffer {
	return new ValueMaker(rng, options).value(options.depthMax);
}

/** A value with `depth` containers inside each other. */
export function deepValue(rng: Rng, depth: number): Buffer {
	let value: Buffer = cborInteger(1);
	for (let i = 0; i < depth; i++) {
		value = rng.int(2) === 0 ? cborArray([value]) : cborMap(new Map([[rng.pick(HOSTILE_KEYS), value]]));
	}
	return value;
}

class ValueMaker {
	readonly #rng: Rng;
	readonly #links: AnyCborOptions["links"];
	#itemsLeft: number;

	constructor(rng: Rng, { links, itemsMax }: AnyCborOptions) {
		this.#rng = rng;
		this.#links = links;
		this.#itemsLeft = itemsMax;
	}

	/** @param depthLeft containers that may still be opened */
	value(depthLeft: number): Buffer {
		const rng = this.#rng;
		const container = depthLeft > 0 && this.#itemsLeft > 0 ? 1 : 0;
		switch (
			rng.weighted({
				integer: 3,
				text: 3,
				bytes: 1,
				simple: 2,
				link: this.#links === "none" ? 0 : 2,
				array: 2 * container,
				map: 4 * container,
				deep: 0.2 * container,
			})
		) {
			case "integer":
				return this.#integer();
			case "text":
				return cborText(anyText(rng));
			case "bytes":
				return cborBytes(rng.bytes(anyCount(rng, 24)));
			case "simple":
				return Buffer.of(rng.pick([0xf4, 0xf5, 0xf6]));
			case "link":
				return cborLink(this.#links === "foreign" ? anyForeignCid(rng) : anyFrameCid(rng));
			case "array":
				return this.#array(depthLeft - 1);
			case "map":
				return this.#map(depthLeft - 1);
			case "deep":
				return deepValue(rng, 1 + rng.int(depthLeft));
		}
	}

	#integer(): Buffer {
		const rng = this.#rng;
		const magnitude = rng.int(2) === 0 ? rng.pick(EDGE_INTEGERS) : rng.int(2 ** (1 + rng.int(53)));
		return cborInteger(rng.int(3) === 0 ? -magnitude : magnitude);
	}

	/** Draws the number of items of a new container, and takes them from those that are left. */
	#count(): number {
		const count = Math.min(anyCount(this.#rng, 6), this.#itemsLeft);
		this.#itemsLeft -= count;
		return count;
	}

	#array(depthLeft: number): Buffer {
		return cborArray(Array.from({ length: this.#count() }, () => this.value(depthLeft)));
	}

	#map(depthLeft: number): Buffer {
		const rng = this.#rng;
		const pairs = new Map<string, Uint8Array>();
		// Maps that have a meaning in the JSON form of the data model, but not in CBOR.
		if (rng.int(6) === 0) return cborMap(new Map([[rng.pick(["$link", "$bytes"]), this.value(depthLeft)]]));
		for (let count = this.#count(); count > 0; count--) pairs.set(anyKey(rng), this.value(depthLeft));
		return cborMap(pairs);
	}
}

/** A number of items or bytes: mostly small, sometimes one at which the head's length changes. */
function anyCount(rng: Rng, usualMax: number): number {
	return rng.int(24) === 0 ? rng.pick(EDGE_COUNTS) : rng.int(usualMax + 1);
}

function anyText(rng: Rng): string {
	return rng.int(4) === 0 ? rng.pick(HOSTILE_TEXTS) : rng.text(anyCount(rng, 24), ALPHABET);
}

/** Any map key. */
export function anyKey(rng: Rng): string {
	return rng.int(3) === 0 ? rng.pick(HOSTILE_KEYS) : rng.text(1 + anyCount(rng, 12), ALPHABET);
}

/** The names of all fields that some type of message has. A field with such a name would not be an unknown one. */
const KNOWN_FIELDS = new Set([
	...["seq", "did", "repo", "time", "rev", "since", "commit", "blocks", "ops", "prevData", "blobs", "tooBig"],
	...["rebase", "handle", "active", "status"],
]);
const KNOWN_OP_FIELDS = new Set(["action", "path", "cid", "prev"]);
const KNOWN_HEADER_FIELDS = new Set(["op", "t"]);

/** Adds further fields, none of which has a name in `taken`. The options' limit of items is for all of them together. */
function addExtras(
	pairs: Map<string, Uint8Array>,
	rng: Rng,
	count: number,
	taken: ReadonlySet<string>,
	options: AnyCborOptions,
): void {
	const share = { ...options, itemsMax: Math.ceil(options.itemsMax / Math.max(1, count)) };
	for (let i = 0; i < count; i++) {
		const key = anyKey(rng);
		if (!taken.has(key)) pairs.set(key, anyValue(rng, share));
	}
}

/** How many pairs to add to a map: nearly always few, sometimes so many that its head gets longer. */
function extraCount(rng: Rng, present: number): number {
	return rng.int(16) === 0 ? rng.pick(EDGE_COUNTS) - present : rng.int(4);
}

/** How a frame with further fields is made. */
export interface AnyFrameOptions {
	/** The values of the further fields. */
	readonly values?: AnyCborOptions;
	/** Whether the ops get further fields too. */
	readonly inOps?: boolean;
	/** Whether the header gets further fields too. */
	readonly inHeader?: boolean;
}

/**
 * The frame of a message with random further fields in its payload, its ops and its header. The message's own fields stay as they
 * are, so its signature stays valid.
 */
export function frameWithExtras(
	rng: Rng,
	message: SimMessage,
	seq: number,
	{ values = FIELD_OPTIONS, inOps = true, inHeader = rng.int(8) === 0 }: AnyFrameOptions = {},
): Buffer {
	const header = new Map<string, Uint8Array>([
		["op", cborInteger(1)],
		["t", cborText(`#${message.type}`)],
	]);
	if (inHeader) addExtras(header, rng, extraCount(rng, 2), KNOWN_HEADER_FIELDS, values);
	const payload = fieldsOf(message, seq);
	const { ops } = message.body;
	if (inOps && Array.isArray(ops)) payload.set("ops", opsWithExtras(rng, ops, values));
	addExtraFields(rng, payload, values);
	return Buffer.concat([cborMap(header), cborMap(payload)]);
}

/** The fields of a message's payload, encoded, for `cborMap`. */
export function fieldsOf(message: SimMessage, seq: number): Map<string, Uint8Array> {
	const fields = new Map<string, Uint8Array>([["seq", cborInteger(seq)]]);
	for (const [key, value] of Object.entries(message.body)) if (value !== undefined) fields.set(key, encode(value));
	return fields;
}

/** Adds random fields to a payload, under names that no type of message has. */
export function addExtraFields(rng: Rng, fields: Map<string, Uint8Array>, values = FIELD_OPTIONS): void {
	addExtras(fields, rng, extraCount(rng, fields.size), KNOWN_FIELDS, values);
}

function opsWithExtras(rng: Rng, ops: readonly object[], values: AnyCborOptions): Buffer {
	// An op is two containers deeper than a field of the payload.
	const options = { ...values, depthMax: values.depthMax - 2, itemsMax: 10 };
	return cborArray(
		ops.map((op) => {
			const pairs = new Map<string, Uint8Array>();
			for (const [key, value] of Object.entries(op)) if (value !== undefined) pairs.set(key, encode(value));
			if (rng.int(2) === 0) addExtras(pairs, rng, 1 + rng.int(3), KNOWN_OP_FIELDS, options);
			return cborMap(pairs);
		}),
	);
}

/**
 * The same item in an encoding that is not canonical: heads longer than needed, keys in any order. It means the same as the
 * canonical one.
 */
export function loosened(rng: Rng, item: Uint8Array): Buffer {
	return new Loosener(rng, item).all();
}

class Loosener {
	readonly #rng: Rng;
	readonly #bytes: Buffer;
	#offset = 0;

	constructor(rng: Rng, bytes: Uint8Array) {
		this.#rng = rng;
		this.#bytes = Buffer.from(bytes);
	}

	all(): Buffer {
		const items: Buffer[] = [];
		while (this.#offset < this.#bytes.length) items.push(this.#item());
		return Buffer.concat(items);
	}

	#item(): Buffer {
		const initial = this.#take(1)[0] ?? 0;
		const major = initial >> 5;
		if (major === 7) return Buffer.of(initial);
		const argument = this.#argument(initial & 31);
		const head = this.#head(major, argument);
		if (major === MAJOR.bytes || major === MAJOR.text) return Buffer.concat([head, this.#take(argument)]);
		if (major === MAJOR.tag) return Buffer.concat([head, this.#item()]);
		if (major === MAJOR.array) return Buffer.concat([head, ...Array.from({ length: argument }, () => this.#item())]);
		if (major !== MAJOR.map) return head;
		const pairs = Array.from({ length: argument }, () => Buffer.concat([this.#item(), this.#item()]));
		for (let i = pairs.length - 1; i > 0; i--) {
			const [pair] = pairs.splice(this.#rng.int(i + 1), 1);
			if (pair !== undefined) pairs.push(pair);
		}
		return Buffer.concat([head, ...pairs]);
	}

	#take(length: number): Buffer {
		const start = this.#offset;
		this.#offset += length;
		return this.#bytes.subarray(start, this.#offset);
	}

	#argument(info: number): number {
		if (info < 24) return info;
		const size = 1 << (info - 24);
		const bytes = this.#take(size);
		return size === 8 ? Number(bytes.readBigUInt64BE()) : bytes.readUIntBE(0, size);
	}

	#head(major: number, argument: number): Buffer {
		const shortest = cborHead(major, argument);
		if (this.#rng.int(3) > 0) return shortest;
		const size = this.#rng.pick([1, 2, 4, 8].filter((size) => size + 1 >= shortest.length));
		const head = Buffer.alloc(1 + size);
		head[0] = (major << 5) | (24 + Math.log2(size));
		if (size === 8) head.writeBigUInt64BE(BigInt(argument), 1);
		else head.writeUIntBE(argument, 1, size);
		return head;
	}
}
