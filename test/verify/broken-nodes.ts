import { decode, encode } from "@atcute/cbor";
import type { CidLink } from "@atcute/cid";
import { type Blocks, cidOf, cidOfText } from "../../src/sim/blocks.ts";
import type { Rng } from "../../src/sim/rng.ts";
import { type BuiltNode, encodeEntries, entriesOf, heightOf, linkTo, type RawEntry, rawKey } from "./trees.ts";

/** A node's place in its tree. */
export interface NodePlace {
	height: number;
	/** The nearest keys before and after the node's own; null if there is none. */
	after: string | null;
	before: string | null;
}

/** A node with one fault, in a tree that is otherwise sound. */
export interface BrokenNode {
	bytes: Uint8Array<ArrayBuffer>;
	/** Blocks that the broken node links to and that the tree did not have. */
	blocks?: Blocks;
}

/** Breaks one rule in a node. Returns null if this rule can't be broken in this node. */
type Breakage = (node: BuiltNode, place: NodePlace, rng: Rng) => BrokenNode | null;

const VALUE = cidOfText("a record");

/** The node with other keys. Its children stay at their places, and new keys get none. */
function withKeys(node: BuiltNode, keys: readonly string[], rights: readonly (CidLink | null)[]): BrokenNode {
	const values = keys.map((key) => node.values[node.keys.indexOf(key)] ?? VALUE);
	return { bytes: encodeEntries(linkTo(node.children[0] ?? null), entriesOf(keys, values, rights)) };
}

function rightsOf(node: BuiltNode): (CidLink | null)[] {
	return node.children.slice(1).map(linkTo);
}

/** A key that sorts right after `key` and whose height `isRight` accepts. */
export function mineAfter(key: string, isRight: (height: number) => boolean): string {
	for (let i = 0; ; i++) {
		const mined = `${key}.${i}`;
		if (isRight(heightOf(mined))) return mined;
	}
}

/** Adds a key after the one at `index`. The child right of that one is then right of the new key. */
function withKeyAfter(node: BuiltNode, index: number, key: string): BrokenNode {
	return withKeys(node, node.keys.toSpliced(index + 1, 0, key), rightsOf(node).toSpliced(index, 0, null));
}

/** The node with its correct entries, changed by `change`. */
function withEntry(node: BuiltNode, change: (entries: RawEntry[]) => boolean): BrokenNode | null {
	const entries = entriesOf(node.keys, node.values, rightsOf(node));
	return change(entries) ? { bytes: encodeEntries(linkTo(node.children[0] ?? null), entries) } : null;
}

/** The node with the bytes of its block changed. */
function withBytes(node: BuiltNode, change: (bytes: Buffer) => Buffer | null): BrokenNode | null {
	const bytes = change(Buffer.from(node.bytes));
	return bytes === null || bytes.equals(node.bytes) ? null : { bytes: Uint8Array.from(bytes) };
}

/** Encodes an object whose fields are in any order. */
function withFields(node: BuiltNode, change: (fields: Record<string, unknown>) => void): BrokenNode {
	const fields = decode(node.bytes) as Record<string, unknown>;
	change(fields);
	return { bytes: Uint8Array.from(encode(fields)) };
}

/** Moves the last pair of a map, `l`, to its front. */
function leftFirst(bytes: Buffer): Buffer {
	const at = bytes.lastIndexOf(Buffer.from("616c", "hex"));
	return Buffer.concat([bytes.subarray(0, 1), bytes.subarray(at), bytes.subarray(1, at)]);
}

/** Breaks every rule of rulebook 2.11, each by itself. */
export const BREAKAGES: Record<string, Breakage> = {
	"a key that belongs higher": (node, { height }, rng) => {
		const at = rng.int(node.keys.length);
		const key = node.keys[at];
		return key === undefined
			? null
			: withKeyAfter(
					node,
					at,
					mineAfter(key, (found) => found > height),
				);
	},
	"a key that belongs lower": (node, { height }, rng) => {
		const at = rng.int(node.keys.length);
		const key = node.keys[at];
		return key === undefined || height === 0
			? null
			: withKeyAfter(
					node,
					at,
					mineAfter(key, (found) => found < height),
				);
	},
	"a level too many": (node, { height }) =>
		height > 0 ? null : { bytes: encodeEntries(linkTo(node), []), blocks: new Map([[node.link, node.bytes]]) },
	"a level left out": (node) => {
		const [child] = node.children;
		return node.keys.length > 0 || child === null || child === undefined ? null : { bytes: child.bytes };
	},
	"keys that descend": (node, _place, rng) => {
		const at = 1 + rng.int(node.keys.length - 1);
		const [a, b] = [node.keys[at - 1], node.keys[at]];
		if (a === undefined || b === undefined) return null;
		return withKeys(node, node.keys.with(at - 1, b).with(at, a), rightsOf(node));
	},
	"a key twice": (node, _place, rng) =>
		withEntry(node, (entries) => {
			const at = rng.int(entries.length);
			const key = node.keys[at];
			if (key === undefined) return false;
			entries.splice(at + 1, 0, { k: rawKey("", 0), p: key.length, v: VALUE, t: null });
			return true;
		}),
	"a key after its range": (node, { height, before }) =>
		before === null
			? null
			: withKeys(node, [...node.keys, mineAfter(before, (found) => found === height)], [...rightsOf(node), null]),
	"a key before its range": (node, { height, after }) => {
		if (after === null || node.children[0] !== null) return null;
		// With a lower first byte, the key sorts before all other keys.
		const early = mineAfter(`A${after.slice(1)}`, (found) => found === height);
		return withKeys(node, [early, ...node.keys], [null, ...rightsOf(node)]);
	},
	"a prefix that is too short": (node, _place, rng) =>
		withEntry(node, (entries) => {
			const at = 1 + rng.int(entries.length - 1);
			const [entry, key] = [entries[at], node.keys[at]];
			if (entry === undefined || key === undefined || entry.p === 0) return false;
			entry.p -= 1 + rng.int(entry.p);
			entry.k = rawKey(key, entry.p);
			return true;
		}),
	"a prefix in the first entry": (node) =>
		withEntry(node, ([entry]) => {
			if (entry !== undefined) Object.assign(entry, { p: 1, k: rawKey(node.keys[0] ?? "", 1) });
			return entry !== undefined;
		}),
	"a prefix beyond the previous key": (node) =>
		withEntry(node, (entries) => {
			const [entry, previous] = [entries[1], node.keys[0]];
			if (entry === undefined || previous === undefined) return false;
			entry.p = previous.length + 1;
			return true;
		}),
	"an empty node below it": (node, { height }) => {
		const at = node.children.indexOf(null);
		if (height === 0 || at < 0) return null;
		const empty = encodeEntries(null, []);
		const children = node.children.map(linkTo).with(at, cidOf(empty));
		const [left = null, ...rights] = children;
		const bytes = encodeEntries(left, entriesOf(node.keys, node.values, rights));
		return { bytes, blocks: new Map([[cidOf(empty).$link, empty]]) };
	},
	"a child below height 0": (node, { height }, rng) => {
		if (height > 0) return null;
		const children = node.children.map(linkTo).with(rng.int(node.children.length), cidOfText("not in the CAR"));
		const [left = null, ...rights] = children;
		return { bytes: encodeEntries(left, entriesOf(node.keys, node.values, rights)) };
	},
	"a child at two places": (node) => {
		const [first = null, ...others] = node.children.map(linkTo);
		const at = others.indexOf(null);
		if (first === null || at < 0) return null;
		return { bytes: encodeEntries(first, entriesOf(node.keys, node.values, others.with(at, first))) };
	},
	"a child that is no node's link": (node, { height }, rng) => {
		if (height === 0) return null;
		const raw = { $link: "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy" };
		const [left = null, ...rights] = node.children.map(linkTo).with(rng.int(node.children.length), raw);
		return { bytes: encodeEntries(left, entriesOf(node.keys, node.values, rights)) };
	},
	"fields in another order": (node) => withBytes(node, leftFirst),
	"an array of indefinite length": (node) =>
		withBytes(node, (bytes) => {
			const end = bytes.lastIndexOf(Buffer.from("616c", "hex"));
			const head = (bytes[3] ?? 0) < 0x98 ? 1 : 2;
			const items = bytes.subarray(3 + head, end);
			return Buffer.concat([bytes.subarray(0, 3), Buffer.of(0x9f), items, Buffer.of(0xff), bytes.subarray(end)]);
		}),
	"a count in more bytes than it needs": (node) =>
		withBytes(node, (bytes) => {
			const head = bytes[3] ?? 0;
			if (head >= 0x98) return null;
			return Buffer.concat([bytes.subarray(0, 3), Buffer.of(0x98, head & 0x1f), bytes.subarray(4)]);
		}),
	"bytes after its end": (node) => withBytes(node, (bytes) => Buffer.concat([bytes, Buffer.of(0xf6)])),
	"a further field": (node) => withFields(node, (fields) => Object.assign(fields, { x: null })),
	"no l": (node) => withFields(node, (fields) => void Reflect.deleteProperty(fields, "l")),
	"a further field in an entry": (node) =>
		withEntry(node, ([entry]) => entry !== undefined && !!Object.assign(entry, { x: 1 })),
	"no t in an entry": (node) => withEntry(node, ([entry]) => entry !== undefined && Reflect.deleteProperty(entry, "t")),
	"a key that is a text": (node) =>
		withEntry(node, ([entry]) => entry !== undefined && !!Object.assign(entry, { k: node.keys[0] })),
	"a value that is null": (node) =>
		withEntry(node, ([entry]) => entry !== undefined && !!Object.assign(entry, { v: null })),
};
