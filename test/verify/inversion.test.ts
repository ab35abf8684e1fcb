import { beforeAll, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { SimTree } from "../../src/sim/tree.ts";
import type { Block } from "../../src/verify/portable/car.ts";
import { readCar } from "../../src/verify/portable/car.ts";
import { type InvertibleOp, invertOps } from "../../src/verify/portable/inversion.ts";
import { keyHeight } from "../../src/verify/portable/key-height.ts";
import { type Link, linkOfBlock } from "../../src/verify/portable/link.ts";
import { insertKey, linkOfTree, removeKey, type Tree, trimTop } from "../../src/verify/portable/mst.ts";
import { loadTree } from "../../src/verify/portable/mst-load.ts";
import { fixturePath } from "../fixtures.ts";
import { linkOf, packBlocks, rejectionOf } from "./packed.ts";

interface ProofFixture {
	comment: string;
	leafValue: string;
	keys: string[];
	adds: string[];
	dels: string[];
	rootBeforeCommit: string;
	rootAfterCommit: string;
	blocksInProof: string[];
}

const OTHER_VALUE = linkOfBlock(Buffer.from("another value"));

describe("the interop commit proofs", () => {
	test("invert to the tree before the commit", async () => {
		const fixtures: ProofFixture[] = await Bun.file(fixturePath("interop/firehose/commit-proof-fixtures.json")).json();
		expect(fixtures).toHaveLength(6);
		for (const fixture of fixtures) {
			const tree = new SimTree();
			const value = { $link: fixture.leafValue };
			const after = new Set([...fixture.keys, ...fixture.adds]).difference(new Set(fixture.dels));
			expect(await tree.build(new Map([...after].map((key) => [key, value])))).toBe(fixture.rootAfterCommit);
			const proof: [Link, Uint8Array][] = [];
			for (const cid of fixture.blocksInProof) proof.push([linkOf(cid), await tree.block(cid)]);
			const { frame, blocks } = packBlocks(proof);
			const link = linkOf(fixture.leafValue);
			const inverted = invertOps(loadTree(frame, blocks, linkOf(fixture.rootAfterCommit)), [
				...fixture.adds.map((path) => ({ action: "create" as const, path, cid: link, prev: null })),
				...fixture.dels.map((path) => ({ action: "delete" as const, path, cid: null, prev: link })),
			]);
			expect({ comment: fixture.comment, inverted: linkOfTree(inverted) }).toEqual({
				comment: fixture.comment,
				inverted: linkOf(fixture.rootBeforeCommit),
			});
		}
	});
});

/** A whole tree of the exhaustive suite. */
interface WholeTree {
	root: Link;
	frame: Buffer;
	blocks: ReadonlyMap<Link, Block>;
	records: ReadonlyMap<string, Link>;
	/** Links of the nodes on the way to each key, for all keys of the suite. */
	paths: ReadonlyMap<string, readonly Link[]>;
}

/** Two trees, and the ops that lead from the first to the second. */
interface Diff {
	before: WholeTree;
	after: WholeTree;
	ops: InvertibleOp[];
	/** The nodes that a producer has to send: rulebook 2.12.8. */
	proof: ReadonlySet<Link>;
}

function collectRecords(tree: Tree, into: Map<string, Link>): void {
	if (tree === null) return;
	if (typeof tree === "string") throw new Error("a tree of the suite is not whole");
	for (const child of tree.children) collectRecords(child, into);
	for (const [index, key] of tree.keys.entries()) into.set(key, tree.values[index] ?? "");
}

function pathTo(root: Tree, key: string): Link[] {
	const links: Link[] = [];
	let node = root;
	while (node !== null && typeof node !== "string") {
		links.push(node.link ?? "");
		if (node.keys.includes(key)) break;
		node = node.children[node.keys.filter((other) => other < key).length] ?? null;
	}
	return links;
}

function readSuite(): WholeTree[] {
	const folder = fixturePath("mst-suite/cars/exhaustive");
	const loaded = readdirSync(folder).map((name) => {
		const frame = readFileSync(`${folder}/${name}`);
		const { root, blocks } = readCar(frame, 0, frame.length);
		const tree = loadTree(frame, blocks, root);
		const records = new Map<string, Link>();
		collectRecords(tree, records);
		return { root, frame, blocks, records, tree };
	});
	const keys = new Set(loaded.flatMap(({ records }) => [...records.keys()]));
	return loaded.map(({ tree, ...whole }) => ({
		...whole,
		paths: new Map([...keys].map((key) => [key, pathTo(tree, key)])),
	}));
}

function diff(before: WholeTree, after: WholeTree): Diff {
	const ops: InvertibleOp[] = [];
	for (const [path, cid] of after.records) {
		const prev = before.records.get(path);
		if (prev === undefined) ops.push({ action: "create", path, cid, prev: null });
		else if (prev !== cid) ops.push({ action: "update", path, cid, prev });
	}
	for (const [path, prev] of before.records) {
		if (!after.records.has(path)) ops.push({ action: "delete", path, cid: null, prev });
	}
	const proof = new Set([...after.blocks.keys()].filter((link) => !before.blocks.has(link)));
	const sorted = [...after.records.keys()].sort();
	for (const { path } of ops) {
		const left = sorted.findLast((key) => key < path);
		const right = sorted.find((key) => key > path);
		for (const key of [path, left, right]) {
			for (const link of after.paths.get(key ?? path) ?? []) proof.add(link);
		}
	}
	return { before, after, ops, proof };
}

function invert(
	{ after, ops }: Diff,
	proof: ReadonlySet<Link>,
	changed = ops,
): { reason: string | null; inverted: Link | null } {
	const blocks = new Map([...after.blocks].filter(([link]) => proof.has(link)));
	let inverted: Link | null = null;
	const reason = rejectionOf(() => {
		inverted = linkOfTree(invertOps(loadTree(after.frame, blocks, after.root), changed));
	});
	return { reason, inverted };
}

/** The result of inverting: the tree before, another tree, or the reason for which it is rejected. */
function outcome(pair: Diff, proof: ReadonlySet<Link>, changed = pair.ops): string {
	const { reason, inverted } = invert(pair, proof, changed);
	return reason ?? (inverted === pair.before.root ? "before" : "another tree");
}

describe("the exhaustive trees", () => {
	let suite: WholeTree[] = [];
	const diffs: Diff[] = [];

	beforeAll(() => {
		suite = readSuite();
		for (const before of suite) {
			for (const after of suite) if (before !== after) diffs.push(diff(before, after));
		}
	});

	test("every pair inverts with the proof that a producer sends", () => {
		expect(suite).toHaveLength(128);
		expect(diffs).toHaveLength(128 * 127);
		expect(diffs.filter((pair) => outcome(pair, pair.proof) !== "before")).toEqual([]);
	});

	test("a commit without ops inverts to its own tree, with or without its nodes", () => {
		for (const tree of suite) {
			const pair = { before: tree, after: tree, ops: [], proof: new Set<Link>() };
			expect(outcome(pair, new Set())).toBe("before");
			expect(outcome(pair, new Set(tree.blocks.keys()))).toBe("before");
		}
	});

	test("an absent node may leave a pair undecided, but never gives a wrong tree", () => {
		const counts = { before: 0, partial: 0, untrimmed: 0 };
		for (const pair of diffs) {
			for (const link of pair.proof) {
				const { reason, inverted } = invert(pair, pair.proof.difference(new Set([link])));
				if (inverted === pair.before.root) counts.before++;
				else if (reason === "mst-partial") counts.partial++;
				// Only the absent node is left. Nothing shows that it has no keys and would have to be trimmed off.
				else if (inverted === link) counts.untrimmed++;
				else throw new Error(`with a node left out: ${reason}`);
			}
		}
		// Some nodes of a producer's proof are needed, and some are not.
		expect(counts.before).toBeGreaterThan(1000);
		expect(counts.partial).toBeGreaterThan(10_000);
		expect(counts.untrimmed).toBeGreaterThan(0);
	});

	test("ops that can be undone in some order are undone, with the fewest nodes that allow it", () => {
		let deferred = 0;
		for (const pair of diffs.filter(({ ops }) => ops.length <= 3)) {
			const fewest = fewestNodes(pair);
			expect(outcome(pair, fewest)).toBe("before");
			if (!pair.ops.every((op) => outcome(pair, fewest, [op]) !== "mst-partial")) deferred++;
		}
		expect(deferred).toBeGreaterThan(100);
	});

	test("ops that differ from what happened are rejected", () => {
		for (const [index, pair] of diffs.entries()) {
			if (index % 3 !== 0) continue;
			const { ops, proof, after } = pair;
			for (const op of ops) {
				expect(outcome(pair, proof, ops.toSpliced(ops.indexOf(op), 1))).not.toBe("before");
				const wrong: InvertibleOp = op.action === "delete" ? { ...op, prev: OTHER_VALUE } : { ...op, cid: OTHER_VALUE };
				expect(outcome(pair, proof, ops.with(ops.indexOf(op), wrong))).toBe(
					op.action === "delete" ? "another tree" : "op-tree-mismatch",
				);
			}
			const bogus: InvertibleOp = { action: "delete", path: "zzz/bogus", cid: null, prev: OTHER_VALUE };
			expect(outcome(pair, new Set(after.blocks.keys()), [...ops, bogus])).toBe("another tree");
			expect(outcome({ ...pair, before: after }, proof)).toBe("another tree");
		}
	});
});

/** Removes nodes one by one from a proof while some order of the ops can still be undone in a single go. */
function fewestNodes(pair: Diff): ReadonlySet<Link> {
	let fewest = pair.proof;
	for (const link of pair.proof) {
		const fewer = fewest.difference(new Set([link]));
		if (permutations(pair.ops).some((order) => undoesInOrder(pair, fewer, order))) fewest = fewer;
	}
	return fewest;
}

function undoesInOrder({ before, after }: Diff, proof: ReadonlySet<Link>, order: readonly InvertibleOp[]): boolean {
	const blocks = new Map([...after.blocks].filter(([link]) => proof.has(link)));
	let tree = loadTree(after.frame, blocks, after.root);
	try {
		for (const op of order) {
			const height = keyHeight(op.path);
			if (op.action === "create") tree = removeKey(tree, op.path, height, op.cid);
			else if (op.action === "delete") tree = insertKey(tree, op.path, height, op.prev);
		}
	} catch {
		return false;
	}
	return linkOfTree(trimTop(tree)) === before.root;
}

function permutations<T>(items: readonly T[]): T[][] {
	if (items.length <= 1) return [[...items]];
	return items.flatMap((item, index) => permutations(items.toSpliced(index, 1)).map((rest) => [item, ...rest]));
}
