import { encodeTouched, type Fill } from "../touched.ts";
import { childAt, lowerBound, type Tree } from "./mst.ts";
import type { Op } from "./ops.ts";

/** Encodes the list of the collections that some ops touch. `before` and `after` are the trees before and after the ops. */
export function listTouched(ops: readonly Op[], before: Tree, after: Tree): Uint8Array {
	const prefixes = new Set(ops.map(({ path }) => path.slice(0, path.indexOf("/") + 1)));
	return encodeTouched(
		[...prefixes].sort().map((prefix) => ({
			name: prefix.slice(0, -1),
			before: fillOf(before, prefix),
			after: fillOf(after, prefix),
		})),
	);
}

/**
 * Whether a tree has keys with a prefix. Such keys are adjacent in the tree's order. So if a node has none itself, only one of its
 * children can have them.
 */
function fillOf(tree: Tree, prefix: string): Fill {
	let current = tree;
	while (current !== null) {
		if (typeof current === "string") return "unknown";
		const index = lowerBound(current.keys, prefix);
		if (current.keys[index]?.startsWith(prefix)) return "filled";
		current = childAt(current, index);
	}
	return "empty";
}
