import { Rejection } from "../../protocol/rejection.ts";
import { keyHeight } from "./key-height.ts";
import type { Link } from "./link.ts";
import { insertKey, PartialTreeError, removeKey, replaceValue, type Tree, TreeMismatchError, trimTop } from "./mst.ts";
import type { Op } from "./ops.ts";

/** An op that has all that is needed to undo it. */
export type InvertibleOp = Op & ({ action: "create" } | { prev: Link });

/**
 * Undoes a commit's ops on the tree after the commit, which gives the tree before it (rulebook 2.12). If that is the tree that
 * the commit names, its ops are complete and exact.
 *
 * Which nodes an undo needs depends on what was undone before it. So an undo that needs an absent node is tried again after the
 * others, until a whole round undoes nothing.
 *
 * @param ops no two of them have the same path
 * @returns the previous tree
 * @throws Rejection `mst-partial` or `op-tree-mismatch`
 */
export function invertOps(tree: Tree, ops: readonly InvertibleOp[]): Tree {
	let current = tree;
	let pending = ops.toSorted(compareOps);
	while (pending.length > 0) {
		const deferred: InvertibleOp[] = [];
		for (const op of pending) {
			const undone = tryUndo(current, op);
			if (undone === "deferred") deferred.push(op);
			else current = undone.tree;
		}
		if (deferred.length === pending.length) throw new Rejection("mst-partial", deferred[0]?.path);
		pending = deferred;
	}
	return trimTop(current);
}

/** Deletes come first, since that way fewer undos have to be tried again; then by path. */
function compareOps(a: InvertibleOp, b: InvertibleOp): number {
	const deletes = Number(b.action === "delete") - Number(a.action === "delete");
	return deletes !== 0 ? deletes : a.path < b.path ? -1 : 1;
}

function tryUndo(tree: Tree, op: InvertibleOp): { tree: Tree } | "deferred" {
	try {
		return { tree: undo(tree, op) };
	} catch (error) {
		if (error instanceof PartialTreeError) return "deferred";
		if (error instanceof TreeMismatchError) throw new Rejection("op-tree-mismatch", `${op.action} ${op.path}`);
		throw error;
	}
}

function undo(tree: Tree, op: InvertibleOp): Tree {
	const height = keyHeight(op.path);
	if (op.action === "create") return removeKey(tree, op.path, height, op.cid);
	if (op.action === "update") return replaceValue(tree, op.path, height, op.cid, op.prev);
	return insertKey(tree, op.path, height, op.prev);
}
