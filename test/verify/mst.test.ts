import { describe, expect, test } from "bun:test";
import { CidLinkWrapper, encode, toBytes } from "@atcute/cbor";
import { keyHeight } from "../../src/verify/portable/key-height.ts";
import { bytesOfLink, type Link, linkOfBlock } from "../../src/verify/portable/link.ts";
import { EMPTY_TREE, insertKey, linkOfTree, type Tree } from "../../src/verify/portable/mst.ts";
import { commonPrefixLength } from "../../src/verify/portable/mst-encode.ts";
import { loadTree } from "../../src/verify/portable/mst-load.ts";
import { fixturePath } from "../fixtures.ts";
import { linkOf, packBlocks, rejectionOf } from "./packed.ts";

/** Keys in order; the digit is the height. */
const A0 = "A0/374913";
const B0 = "B0/601692";
const B1 = "B1/986427";
const C0 = "C0/451630";
const D2 = "D2/269196";
const F1 = "F1/085263";

const VALUE = linkOfBlock(Buffer.from("a value"));

describe("the interop MST vectors", () => {
	test("key heights", async () => {
		const fixtures: { key: string; height: number }[] = await Bun.file(
			fixturePath("interop/mst/key_heights.json"),
		).json();
		expect(fixtures.map(({ key }) => ({ key, height: keyHeight(key) }))).toEqual(fixtures);
		const keys = (await Bun.file(fixturePath("interop/mst/example_keys.txt")).text()).trim().split("\n");
		expect(keys).toHaveLength(156);
		for (const key of keys) expect({ key, height: keyHeight(key) }).toEqual({ key, height: Number(key[1]) });
	});

	test("common prefixes", async () => {
		const fixtures: { left: string; right: string; len: number }[] = await Bun.file(
			fixturePath("interop/mst/common_prefix.json"),
		).json();
		const bytes = (text: string): string => Buffer.from(text).toString("latin1");
		expect(fixtures.length).toBeGreaterThan(0);
		for (const { left, right, len } of fixtures) expect(commonPrefixLength(bytes(left), bytes(right))).toBe(len);
	});
});

test("the empty tree has the CID that the specification gives", () => {
	expect(EMPTY_TREE).toBe(linkOf("bafyreie5737gdxlw5i64vzichcalba3z2v5n6icifvx5xytvske7mr3hpm"));
});

function cid(link: Link): CidLinkWrapper {
	return new CidLinkWrapper(bytesOfLink(link));
}

interface Entry {
	key: string;
	right?: Link;
	/** The prefix length in the node, instead of the right one. The rest of the key follows it. */
	prefix?: number;
	fields?: Record<string, unknown>;
}

/** The block of a node, encoded without the engine's code. */
function node(
	left: Link | null,
	entries: (string | Entry)[],
	fields: Record<string, unknown> = {},
): [Link, Uint8Array] {
	let previous = "";
	const e = entries.map((item) => {
		const entry = typeof item === "string" ? { key: item } : item;
		const prefix = entry.prefix ?? commonPrefixLength(previous, entry.key);
		previous = entry.key;
		const t = entry.right === undefined ? null : cid(entry.right);
		return { k: toBytes(Buffer.from(entry.key.slice(prefix))), p: prefix, v: cid(VALUE), t, ...entry.fields };
	});
	const bytes = encode({ e, l: left === null ? null : cid(left), ...fields });
	return [linkOfBlock(bytes), bytes];
}

function load(root: [Link, Uint8Array], ...others: [Link, Uint8Array][]): Tree {
	const { frame, blocks } = packBlocks([root, ...others]);
	return loadTree(frame, blocks, root[0]);
}

describe("a tree", () => {
	const a = node(null, [A0]);
	const c = node(null, [C0]);
	const ab = node(null, [A0, B0]);
	const stub = linkOfBlock(Buffer.from("not here"));
	const b = node(a[0], [{ key: B1, right: c[0] }]);
	const e = node(null, ["E0/670489"]);
	const bAndE = node(a[0], [{ key: B1, right: e[0] }]);
	const empty = node(null, []);
	const onlyA = node(a[0], []);

	test.each<[string, [Link, Uint8Array][], string | null]>([
		["of one level", [ab], null],
		["of two levels", [b, a, c], null],
		["with a node without keys between two levels", [node(onlyA[0], [D2]), onlyA, a], null],
		["whose children are absent", [b], null],
		["without keys", [empty], null],
		["whose root has only a child", [onlyA, a], "mst-malformed"],
		["with an empty node below", [node(empty[0], [B1]), empty], "mst-malformed"],
		["with keys that descend", [node(null, [B0, A0])], "mst-malformed"],
		["with a key twice", [node(null, [A0, { key: A0 }])], "mst-malformed"],
		["with an empty key", [node(null, [""])], "mst-malformed"],
		["with keys of two heights in a node", [node(null, [A0, B1])], "mst-malformed"],
		["with a level left out", [node(a[0], [D2]), a], "mst-malformed"],
		["with a child of its own height", [node(node(null, [A0])[0], [C0]), a], "mst-malformed"],
		["with an absent child below height 0", [node(stub, [A0])], "mst-malformed"],
		["with a left child beyond its key", [node(c[0], [B1]), c], "mst-malformed"],
		["with a right child before its key", [node(null, [{ key: B1, right: a[0] }]), a], "mst-malformed"],
		["of three levels", [node(b[0], [D2]), b, a, c], null],
		["with a grandchild beyond its range", [node(bAndE[0], [D2]), bAndE, a, e], "mst-malformed"],
		[
			"with a child beyond the next key",
			[node(null, [{ key: B1, right: node(null, ["G0/765327"])[0] }, F1]), node(null, ["G0/765327"])],
			"mst-malformed",
		],
		["with a prefix that is too short", [node(null, [A0, { key: "A0/374914", prefix: 3 }])], "mst-malformed"],
		["with a prefix in its first entry", [node(null, [{ key: A0, prefix: 1 }])], "mst-malformed"],
		["with a prefix beyond the previous key", [node(null, [A0, { key: B0, fields: { p: 10 } }])], "mst-malformed"],
		["with a huge prefix", [node(null, [A0, { key: B0, fields: { p: 2 ** 40 } }])], "mst-malformed"],
		["with a negative prefix", [node(null, [A0, { key: B0, fields: { p: -1 } }])], "mst-malformed"],
		["with a key of 1,025 bytes", [node(null, ["x".repeat(1025)])], "mst-malformed"],
		["with a key that is a text", [node(null, [{ key: A0, fields: { k: A0 } }])], "mst-malformed"],
		["with a value that is null", [node(null, [{ key: A0, fields: { v: null } }])], "mst-malformed"],
		["with a field too many in an entry", [node(null, [{ key: A0, fields: { x: 1 } }])], "mst-malformed"],
		["with a field too many", [node(null, [A0], { x: 1 })], "mst-malformed"],
		[
			"with a child that is not an MST node's link",
			[node(null, [{ key: B1, fields: { t: cid(`\x01\x55${VALUE.slice(2)}`) } }])],
			"mst-malformed",
		],
		["that is not a map", [[stub, encode([1, 2])]], "mst-malformed"],
		["that is truncated", [[stub, ab[1].subarray(0, -1)]], "mst-malformed"],
		["with bytes after it", [[stub, Buffer.concat([ab[1], Buffer.of(0)])]], "mst-malformed"],
		[
			"with more entries than can be",
			[
				node(
					null,
					Array.from({ length: 1025 }, (_, i) => `${i + 1000}`),
				),
			],
			"mst-malformed",
		],
	])("%s", (_name, [root, ...others], reason) => {
		if (root === undefined) throw new Error("no root");
		expect(rejectionOf(() => load(root, ...others))).toBe(reason);
	});

	test("with a value of another form keeps it as it is", () => {
		const other = new CidLinkWrapper(Buffer.concat([Buffer.of(1, 0x55, 0x1e, 0x20), Buffer.alloc(32, 9)]));
		const root = node(null, [{ key: A0, fields: { v: other } }]);
		const tree = load(root);
		if (tree === null || typeof tree === "string") throw new Error("not loaded");
		expect(linkOfTree({ ...tree, link: null })).toBe(root[0]);
	});

	test("with long keys and many entries is encoded as by another encoder", () => {
		// The lengths of keys, prefixes and the array need every size of CBOR head.
		const keys = Array.from({ length: 900 }, (_, i) => `k${"x".repeat(i)}`).filter((key) => keyHeight(key) === 0);
		expect(keys.length).toBeGreaterThan(600);
		let tree: Tree = null;
		for (const key of keys) tree = insertKey(tree, key, 0, VALUE);
		expect(linkOfTree(tree)).toBe(node(null, keys)[0]);
	});
});

describe("nodes that share children", () => {
	/** The smallest keys of a height, in order. */
	function keysOfHeight(height: number, count: number): string[] {
		const keys: string[] = [];
		for (let i = 0; keys.length < count; i++) {
			const key = `bomb/${String(i).padStart(9, "0")}`;
			if (keyHeight(key) === height) keys.push(key);
		}
		return keys;
	}

	test("are not walked once for each path", () => {
		// Each level has two links to the same node below, so the number of paths doubles with every level.
		const nodes: [Link, Uint8Array][] = [];
		let below: Link | undefined;
		for (let height = 0; height <= 6; height++) {
			const [key] = keysOfHeight(height, 1);
			if (key === undefined) throw new Error("no key");
			const made = node(below ?? null, [below === undefined ? key : { key, right: below }]);
			nodes.unshift(made);
			below = made[0];
		}
		const [root, ...others] = nodes;
		if (root === undefined) throw new Error("no root");
		expect(rejectionOf(() => load(root, ...others))).toBe("mst-malformed");
	});

	test("are refused even if no key shows that they are at two places", () => {
		const stub = linkOfBlock(Buffer.from("not here"));
		const keyless = node(stub, []);
		const [first, ...rest] = keysOfHeight(2, 3);
		const entries = [first, ...rest].map((key) => ({ key: key ?? "", right: keyless[0] }));
		expect(rejectionOf(() => load(node(keyless[0], entries), keyless))).toBe("mst-malformed");
		expect(rejectionOf(() => load(node(keyless[0], [first ?? ""]), keyless))).toBeNull();
	});
});
