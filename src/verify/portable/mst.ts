import { type Link, linkOfBlock } from "./link.ts";
import { encodeNode } from "./mst-encode.ts";

/**
 * A Merkle search tree, parts of which may be unknown (rulebook 2.11, 2.12): a node, the link of a sub-tree that we don't have,
 * or null for the tree without keys.
 *
 * Trees are immutable. An edit makes new nodes on the path to the key and shares the others, so an edit that fails half-way leaves
 * the tree as it was.
 */
export type Tree = TreeNode | Link | null;

/** `children[i]` is left of `keys[i]`, and the last child is right of all keys. A node without keys has one child. */
export interface TreeNode {
	readonly height: number;
	/** One character per byte, ascending. */
	readonly keys: readonly string[];
	readonly values: readonly Link[];
	/** One more than there are keys. Each is one level below this node. */
	readonly children: readonly Tree[];
	/** Link of the block that the node was read from. Null for a node that an edit made. */
	readonly link: Link | null;
}

/** An edit needs to look into a sub-tree that we don't have. */
export class PartialTreeError extends Error {
	override readonly name = "PartialTreeError";
}

/** An edit found another value at a key than it expected, or none, or one where it expected none. */
export class TreeMismatchError extends Error {
	override readonly name = "TreeMismatchError";
}

/** Thrown often while edits are tried in different orders. So it is made only once, which saves collecting a stack each time. */
const PARTIAL = new PartialTreeError("the edit needs a node that is absent");

/** The link of the tree without keys. */
export const EMPTY_TREE: Link = linkOfBlock(encodeNode({ keys: [], values: [], children: [null] }));

/**
 * Removes a key, which must have the value `expected`.
 * @param height the height of the key (`keyHeight`)
 * @throws PartialTreeError, TreeMismatchError
 */
export function removeKey(tree: Tree, key: string, height: number, expected: Link): Tree {
	return editKey(tree, key, height, expected, (node, index) =>
		makeNode(
			node.height,
			node.keys.toSpliced(index, 1),
			node.values.toSpliced(index, 1),
			node.children.toSpliced(index, 2, merge(childAt(node, index), childAt(node, index + 1))),
		),
	);
}

/** Replaces the value of a key, which must be `expected`, by `value`. Throws like `removeKey`. */
export function replaceValue(tree: Tree, key: string, height: number, expected: Link, value: Link): Tree {
	return editKey(tree, key, height, expected, (node, index) =>
		makeNode(node.height, node.keys, node.values.with(index, value), node.children),
	);
}

/** Finds the node that has a key, and replaces it by the result of `edit`. */
function editKey(
	tree: Tree,
	key: string,
	height: number,
	expected: Link,
	edit: (node: TreeNode, index: number) => Tree,
): Tree {
	if (typeof tree === "string") throw PARTIAL;
	// A key can't be below its own height, so nothing below needs to be looked at.
	if (tree === null || tree.height < height) throw new TreeMismatchError("the key is absent");
	const index = lowerBound(tree.keys, key);
	if (tree.height > height) {
		const child = editKey(childAt(tree, index), key, height, expected, edit);
		return makeNode(tree.height, tree.keys, tree.values, tree.children.with(index, child));
	}
	if (tree.keys[index] !== key) throw new TreeMismatchError("the key is absent");
	if (tree.values[index] !== expected) throw new TreeMismatchError("the key has another value");
	return edit(tree, index);
}

/**
 * Inserts a key, which must be absent.
 * @param height the height of the key (`keyHeight`)
 * @throws PartialTreeError, TreeMismatchError
 */
export function insertKey(tree: Tree, key: string, height: number, value: Link): Tree {
	if (typeof tree === "string") throw PARTIAL;
	if (tree === null) return makeNode(height, [key], [value], [null, null]);
	if (tree.height < height) {
		const [left, right] = split(tree, key);
		return makeNode(height, [key], [value], [wrap(left, height - 1), wrap(right, height - 1)]);
	}
	const index = lowerBound(tree.keys, key);
	if (tree.height === height) {
		if (tree.keys[index] === key) throw new TreeMismatchError("the key is there already");
		return makeNode(
			height,
			tree.keys.toSpliced(index, 0, key),
			tree.values.toSpliced(index, 0, value),
			tree.children.toSpliced(index, 1, ...split(childAt(tree, index), key)),
		);
	}
	const child = wrap(insertKey(childAt(tree, index), key, height, value), tree.height - 1);
	return makeNode(tree.height, tree.keys, tree.values, tree.children.with(index, child));
}

/** Puts nodes without keys on top of a node until the tree has this height. */
function wrap(tree: Tree, height: number): Tree {
	let top = tree;
	while (top !== null && typeof top !== "string" && top.height < height) top = makeNode(top.height + 1, [], [], [top]);
	return top;
}

/** Joins two neighbours of the same height after the key between them was removed. */
function merge(left: Tree, right: Tree): Tree {
	if (left === null) return right;
	if (right === null) return left;
	// One unknown sub-tree is enough to fail: its keys could be out of order with the other's, and the joined tree would hide it.
	if (typeof left === "string" || typeof right === "string") throw PARTIAL;
	const seam = merge(childAt(left, left.keys.length), childAt(right, 0));
	return makeNode(
		left.height,
		[...left.keys, ...right.keys],
		[...left.values, ...right.values],
		[...left.children.slice(0, -1), seam, ...right.children.slice(1)],
	);
}

/** Cuts a tree in two at a key that is not in it. */
function split(tree: Tree, key: string): [Tree, Tree] {
	if (tree === null) return [null, null];
	if (typeof tree === "string") throw PARTIAL;
	const { height, keys, values, children } = tree;
	const index = lowerBound(keys, key);
	const [left, right] = split(childAt(tree, index), key);
	return [
		makeNode(height, keys.slice(0, index), values.slice(0, index), [...children.slice(0, index), left]),
		makeNode(height, keys.slice(index), values.slice(index), [right, ...children.slice(index + 1)]),
	];
}

/** A node that an edit made, or null if nothing is left in it. */
function makeNode(
	height: number,
	keys: readonly string[],
	values: readonly Link[],
	children: readonly Tree[],
): TreeNode | null {
	if (keys.length === 0 && children[0] === null) return null;
	return { height, keys, values, children, link: null };
}

export function childAt(node: TreeNode, index: number): Tree {
	return node.children[index] ?? null;
}

/** Index of the first key that is not less than `key`. */
export function lowerBound(keys: readonly string[], key: string): number {
	let low = 0;
	let high = keys.length;
	while (low < high) {
		const middle = (low + high) >> 1;
		if ((keys[middle] ?? "") < key) low = middle + 1;
		else high = middle;
	}
	return low;
}

/** Removes the nodes without keys that edits leave at the top. */
export function trimTop(tree: Tree): Tree {
	let top = tree;
	while (top !== null && typeof top !== "string" && top.keys.length === 0) top = childAt(top, 0);
	return top;
}

/** The link of a tree. Encodes and hashes the nodes that edits made. */
export function linkOfTree(tree: Tree): Link {
	if (tree === null) return EMPTY_TREE;
	if (typeof tree === "string") return tree;
	if (tree.link !== null) return tree.link;
	const { keys, values } = tree;
	const children = tree.children.map((child) => (child === null ? null : linkOfTree(child)));
	return linkOfBlock(encodeNode({ keys, values, children }));
}
