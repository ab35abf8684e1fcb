import { readdirSync, readFileSync } from "node:fs";
import { encode } from "@atcute/cbor";
import * as CID from "@atcute/cid";
import { CID_BYTES } from "../../../src/protocol/limits.ts";
import { Rejection } from "../../../src/protocol/rejection.ts";
import { cidOfText, encodeCar } from "../../../src/sim/blocks.ts";
import { loadAddon } from "../../../src/verify/native-addon.ts";
import { readCar } from "../../../src/verify/portable/car.ts";
import { listTouched } from "../../../src/verify/portable/collections.ts";
import { type InvertibleOp, invertOps } from "../../../src/verify/portable/inversion.ts";
import { bytesOfLink, type Link, linkOfBytes } from "../../../src/verify/portable/link.ts";
import { linkOfTree, type Tree } from "../../../src/verify/portable/mst.ts";
import { loadTree } from "../../../src/verify/portable/mst-load.ts";
import { fixturePath } from "../../fixtures.ts";
import { linkOf, packBlocks } from "../packed.ts";
import { buildTree, nodesOf } from "../trees.ts";

/** Part of a tree, and the ops that claim to have made it. */
export interface Proof {
	root: Link;
	nodes: ReadonlyMap<Link, Uint8Array>;
	ops: readonly InvertibleOp[];
}

/** The result of undoing the ops of a proof. */
export interface Inversion {
	/** The name of the root before them, or of the reason for which they can't be undone. */
	result: string;
	/** The list of the collections that they touch; null if they can't be undone. */
	touched: Uint8Array | null;
}

export type Inverter = (proof: Proof) => Promise<Inversion>;

function textOf(link: Link): string {
	return CID.toString(CID.decode(bytesOfLink(link)));
}

async function carOf({ root, nodes }: Proof): Promise<Uint8Array> {
	const blocks = new Map([...nodes].map(([link, data]) => [textOf(link), Uint8Array.from(data)]));
	return encodeCar([{ $link: textOf(root) }], blocks);
}

export const invertPortably: Inverter = async (proof) => {
	const car = Buffer.from(await carOf(proof));
	try {
		const { blocks } = readCar(car, 0, car.length);
		const after = loadTree(car, blocks, proof.root);
		const before = invertOps(after, proof.ops);
		return { result: textOf(linkOfTree(before)), touched: listTouched(proof.ops, before, after) };
	} catch (error) {
		if (error instanceof Rejection) return { result: error.reason, touched: null };
		throw error;
	}
};

/** An inverter of the native engine. Throws if the addon is not built. */
export function nativeInverter(): Inverter {
	const addon = loadAddon();
	const verifier = new addon.Verifier(1024);
	const reasons = addon.reasonNames();
	const link = (cid: Link): CID.CidLink => ({ $link: textOf(cid) });
	return async (proof) => {
		const car = await carOf(proof);
		const ops = proof.ops.map(({ action, path, cid, prev }) =>
			encode({ action, path, cid: cid === null ? null : link(cid), prev: prev === null ? null : link(prev) }),
		);
		const found = verifier.invert(Buffer.concat([car, bytesOfLink(proof.root), ...ops]), car.length, ops.length);
		if (found.length === 1) return { result: reasons[(found[0] ?? 0) - 1] ?? "", touched: null };
		return { result: textOf(linkOfBytes(found.subarray(0, CID_BYTES))), touched: found.subarray(CID_BYTES) };
	};
}

/** A tree without absent nodes. */
export interface WholeTree {
	root: Link;
	nodes: ReadonlyMap<Link, Uint8Array>;
	records: ReadonlyMap<string, Link>;
	tree: Tree;
}

export function readSuite(): WholeTree[] {
	const folder = fixturePath("mst-suite/cars/exhaustive");
	return readdirSync(folder).map((name) => {
		const frame = readFileSync(`${folder}/${name}`);
		const { root, blocks } = readCar(frame, 0, frame.length);
		const tree = loadTree(frame, blocks, root);
		const nodes = new Map([...blocks].map(([link, { start, end }]) => [link, frame.subarray(start, end)]));
		return { root, nodes, tree, records: new Map(recordsOf(tree)) };
	});
}

function* recordsOf(tree: Tree): Generator<[string, Link]> {
	if (tree === null) return;
	if (typeof tree === "string") throw new Error("a tree of the suite is not whole");
	for (const [index, key] of tree.keys.entries()) yield [key, tree.values[index] ?? ""];
	for (const child of tree.children) yield* recordsOf(child);
}

/** The tree of these keys, all with the same value, built without the engines' code. */
export function wholeTreeOf(keys: readonly string[]): WholeTree {
	const built = buildTree(new Map(keys.map((key) => [key, cidOfText("a value")])));
	const { frame, blocks } = packBlocks([...nodesOf(built)].map(({ link, bytes }) => [linkOf(link), bytes]));
	const root = linkOf(built.link);
	const nodes = new Map([...blocks].map(([link, { start, end }]) => [link, frame.subarray(start, end)]));
	const tree = loadTree(frame, blocks, root);
	return { root, nodes, tree, records: new Map(recordsOf(tree)) };
}

/** The ops from one tree to another, with the nodes that only the second has. */
export function diffBetween(before: WholeTree, after: WholeTree): Proof {
	const nodes = new Map([...after.nodes].filter(([link]) => !before.nodes.has(link)));
	return { root: after.root, nodes, ops: opsBetween(before, after) };
}

/** The ops from one tree to another, with the nodes that a producer has to send (rulebook 2.12.8). */
export function proofBetween(before: WholeTree, after: WholeTree): Proof {
	const { root, nodes, ops } = diffBetween(before, after);
	const links = new Set(nodes.keys());
	const sorted = [...after.records.keys()].sort();
	for (const { path } of ops) {
		const neighbours = [sorted.findLast((key) => key < path), path, sorted.find((key) => key > path)];
		for (const key of neighbours) for (const link of linksTo(after.tree, key ?? path)) links.add(link);
	}
	return { root, nodes: new Map([...after.nodes].filter(([link]) => links.has(link))), ops };
}

function opsBetween(before: WholeTree, after: WholeTree): InvertibleOp[] {
	const ops: InvertibleOp[] = [];
	for (const [path, cid] of after.records) {
		const prev = before.records.get(path) ?? null;
		if (prev === null) ops.push({ action: "create", path, cid, prev });
		else if (prev !== cid) ops.push({ action: "update", path, cid, prev });
	}
	for (const [path, prev] of before.records) {
		if (!after.records.has(path)) ops.push({ action: "delete", path, cid: null, prev });
	}
	return ops;
}

/** The nodes on the way to a key. */
function* linksTo(tree: Tree, key: string): Generator<Link> {
	let node = tree;
	while (node !== null && typeof node !== "string") {
		yield node.link ?? "";
		if (node.keys.includes(key)) return;
		node = node.children[node.keys.filter((other) => other < key).length] ?? null;
	}
}

/** The name of a tree's root, as inverters return it. */
export function rootName({ root }: { root: Link }): string {
	return textOf(root);
}
