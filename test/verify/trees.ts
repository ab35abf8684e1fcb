import { encode, toBytes } from "@atcute/cbor";
import type { CidLink } from "@atcute/cid";
import { type Blocks, cidOf } from "../../src/sim/blocks.ts";

/** A node of a whole tree, built without the engines' code. */
export interface BuiltNode {
	readonly link: string;
	readonly bytes: Uint8Array<ArrayBuffer>;
	readonly keys: readonly string[];
	readonly values: readonly CidLink[];
	/** One more than there are keys. */
	readonly children: readonly (BuiltNode | null)[];
}

/** An entry in the form of a node's block. */
export interface RawEntry {
	k: ReturnType<typeof toBytes>;
	p: number;
	v: CidLink | null;
	t: CidLink | null;
}

/** Half the number of leading zero bits of the key's SHA-256 (rulebook 2.11.1). */
export function heightOf(key: string): number {
	const bits = [...new Bun.CryptoHasher("sha256").update(key).digest()].map((byte) =>
		byte.toString(2).padStart(8, "0"),
	);
	return Math.floor(bits.join("").indexOf("1") / 2);
}

export function linkTo(node: BuiltNode | null): CidLink | null {
	return node === null ? null : { $link: node.link };
}

/** Entries with the prefix compression that the rules require. */
export function entriesOf(
	keys: readonly string[],
	values: readonly CidLink[],
	rights: readonly (CidLink | null)[],
): RawEntry[] {
	let previous = "";
	return keys.map((key, index) => {
		let prefix = 0;
		while (prefix < Math.min(previous.length, key.length) && previous[prefix] === key[prefix]) prefix++;
		previous = key;
		return { k: rawKey(key, prefix), p: prefix, v: values[index] ?? null, t: rights[index] ?? null };
	});
}

/** The part of a key after its first `prefix` characters. */
export function rawKey(key: string, prefix: number): RawEntry["k"] {
	return toBytes(Uint8Array.from(Buffer.from(key.slice(prefix))));
}

export function encodeEntries(left: CidLink | null, entries: readonly RawEntry[]): Uint8Array<ArrayBuffer> {
	return Uint8Array.from(encode({ l: left, e: entries }));
}

function makeNode(parts: Pick<BuiltNode, "keys" | "values" | "children">): BuiltNode {
	const [left = null, ...rights] = parts.children.map(linkTo);
	const bytes = encodeEntries(left, entriesOf(parts.keys, parts.values, rights));
	return { ...parts, bytes, link: cidOf(bytes).$link };
}

/** Builds the tree of some records, given by path. Without records it is the empty tree. */
export function buildTree(records: ReadonlyMap<string, CidLink>): BuiltNode {
	const keys = [...records.keys()].sort();
	const heights = new Map(keys.map((key) => [key, heightOf(key)]));
	const build = (from: readonly string[], height: number): BuiltNode | null => {
		if (from.length === 0) return null;
		const parts = { keys: [] as string[], values: [] as CidLink[], children: [] as (BuiltNode | null)[] };
		let start = 0;
		for (const [index, key] of from.entries()) {
			const value = records.get(key);
			if (heights.get(key) !== height || value === undefined) continue;
			parts.children.push(build(from.slice(start, index), height - 1));
			parts.keys.push(key);
			parts.values.push(value);
			start = index + 1;
		}
		parts.children.push(build(from.slice(start), height - 1));
		return makeNode(parts);
	};
	return build(keys, Math.max(0, ...heights.values())) ?? makeNode({ keys: [], values: [], children: [null] });
}

/** A node and everything below it. */
export function* nodesOf(tree: BuiltNode | null): Generator<BuiltNode> {
	if (tree === null) return;
	yield tree;
	for (const child of tree.children) yield* nodesOf(child);
}

export function blocksOf(tree: BuiltNode): Blocks {
	return new Map([...nodesOf(tree)].map(({ link, bytes }) => [link, bytes]));
}

/** The tree in which the node with this link is replaced by other bytes, and all nodes above it are made anew. */
export function withNode(tree: BuiltNode, link: string, bytes: Uint8Array<ArrayBuffer>): BuiltNode {
	if (tree.link === link) return { ...tree, bytes, link: cidOf(bytes).$link };
	const children = tree.children.map((child) => (child === null ? null : withNode(child, link, bytes)));
	return children.every((child, index) => child === tree.children[index]) ? tree : makeNode({ ...tree, children });
}
