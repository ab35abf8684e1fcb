import { MST_DEPTH_MAX, MST_KEY_BYTES_MAX } from "../../protocol/limits.ts";
import { Rejection } from "../../protocol/rejection.ts";
import type { Block } from "./car.ts";
import { rejectCborErrors } from "./cbor-rule.ts";
import { keyHeight } from "./key-height.ts";
import type { Link } from "./link.ts";
import type { Tree, TreeNode } from "./mst.ts";
import { decodeNode, type NodeContent } from "./mst-decode.ts";

/**
 * Loads the part of an MST that a CAR has, and checks all of it (rulebook 2.11). A sub-tree whose block is absent stays a link.
 *
 * @returns the tree: a link if even the root's block is absent, null if the tree is empty
 * @throws Rejection `mst-malformed`
 */
export function loadTree(frame: Buffer, blocks: ReadonlyMap<Link, Block>, root: Link): Tree {
	const block = blocks.get(root);
	if (block === undefined) return root;
	const loader = new TreeLoader(frame, blocks);
	const content = loader.decode(block);
	const firstKey = content.keys[0];
	if (firstKey === undefined) {
		if (content.children[0] !== null) throw new Rejection("mst-malformed", "the root has a child but no entry");
		return null;
	}
	const height = keyHeight(firstKey);
	if (height > MST_DEPTH_MAX) throw new Rejection("mst-malformed", `deeper than ${MST_DEPTH_MAX}`);
	return loader.node(root, content, { height, after: null, before: null });
}

/** A node's place in the tree: its keys must have this height and lie between `after` and `before`. */
interface Place {
	readonly height: number;
	/** Null if there is no bound; so for `before`. */
	readonly after: string | null;
	readonly before: string | null;
}

class TreeLoader {
	readonly #frame: Buffer;
	readonly #blocks: ReadonlyMap<Link, Block>;
	readonly #loaded = new Set<Link>();
	#keyBytes = 0;

	constructor(frame: Buffer, blocks: ReadonlyMap<Link, Block>) {
		this.#frame = frame;
		this.#blocks = blocks;
	}

	decode(block: Block): NodeContent {
		const content = rejectCborErrors("mst-malformed", () => decodeNode(this.#frame, block));
		for (const key of content.keys) this.#keyBytes += key.length;
		if (this.#keyBytes > MST_KEY_BYTES_MAX) throw new Rejection("mst-malformed", "too many bytes of keys");
		return content;
	}

	/** Checks a node against its place, and loads what is below it. The height falls with each level, so the recursion ends. */
	node(link: Link, content: NodeContent, place: Place): TreeNode {
		// No sub-tree with a key can be at two places. Without this check, a child that several nodes share would be walked once for
		// each path to it.
		if (this.#loaded.has(link)) throw new Rejection("mst-malformed", "a node occurs twice in the tree");
		this.#loaded.add(link);
		checkPlace(content, place);
		const { keys, values } = content;
		const children = content.children.map((child, index) =>
			this.#child(child, {
				height: place.height - 1,
				after: keys[index - 1] ?? place.after,
				before: keys[index] ?? place.before,
			}),
		);
		return { height: place.height, keys, values, children, link };
	}

	#child(link: Link | null, place: Place): Tree {
		if (link === null) return null;
		if (place.height < 0) throw new Rejection("mst-malformed", "a node of height 0 has a child");
		const block = this.#blocks.get(link);
		if (block === undefined) return link;
		const content = this.decode(block);
		if (content.keys.length === 0 && content.children[0] === null) {
			throw new Rejection("mst-malformed", "a node below the root is empty");
		}
		return this.node(link, content, place);
	}
}

function checkPlace({ keys }: NodeContent, { height, after, before }: Place): void {
	const first = keys[0];
	const last = keys.at(-1);
	if (first === undefined || last === undefined) return;
	// The decoding has checked that the keys of a node ascend.
	if ((after !== null && first <= after) || (before !== null && last >= before)) {
		throw new Rejection("mst-malformed", "a key lies outside of its sub-tree's range");
	}
	for (const key of keys) {
		if (keyHeight(key) !== height) throw new Rejection("mst-malformed", "a key is at another height than its own");
	}
}
