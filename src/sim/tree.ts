import type { CidLink } from "@atcute/cid";
import { getKeyHeight, MemoryBlockStore, MSTNode, mstDiff, NodeStore, NodeWrangler } from "@atcute/mst";
import type { Blocks } from "./blocks.ts";

/** Remembers which blocks were added since the last sweep, so that those that no tree needs can be removed. */
class FreshBlockStore extends MemoryBlockStore {
	readonly fresh = new Set<string>();

	override put(cid: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
		if (!this.blocks.has(cid)) this.fresh.add(cid);
		return super.put(cid, bytes);
	}
}

/** A node store keeps a thousand nodes that it has read or made. After so many commits we take a new one, or each account has megabytes. */
const STORE_COMMITS = 4;

/** A repo's MST, on top of `@atcute/mst`. Trees are immutable: a write takes a root and returns the next one. */
export class SimTree {
	readonly #store = new FreshBlockStore();
	#nodes = new NodeStore(this.#store);
	#wrangler = new NodeWrangler(this.#nodes);
	#storeCommits = 0;
	#emptyRoot: string | null = null;

	/** The root of the tree without records (rulebook 2.6, notes). */
	async emptyRoot(): Promise<string> {
		this.#emptyRoot ??= (await (await this.#nodes.put(MSTNode.empty())).cid()).$link;
		return this.#emptyRoot;
	}

	put(root: string, path: string, value: CidLink): Promise<string> {
		return this.#wrangler.putRecord(root, path, value);
	}

	delete(root: string, path: string): Promise<string> {
		return this.#wrangler.deleteRecord(root, path);
	}

	async block(cid: string): Promise<Uint8Array<ArrayBuffer>> {
		return (await this.#nodes.get(cid)).serialize() as Promise<Uint8Array<ArrayBuffer>>;
	}

	/**
	 * The nodes that a commit from `before` to `after` has to carry: the new ones, and for each path those on the way to it and to
	 * its left and right neighbours (rulebook 2.12.8).
	 */
	async proof(before: string, after: string, paths: readonly string[]): Promise<Blocks> {
		const [created] = await mstDiff(this.#nodes, before, after);
		const cids = new Set(paths.length === 0 ? [] : [after]);
		for (const path of paths) await this.#cover(await this.#nodes.get(after), path, cids);
		const blocks: Blocks = new Map();
		for (const cid of cids.union(created)) blocks.set(cid, await this.block(cid));
		return blocks;
	}

	async #cover(root: MSTNode, path: string, cids: Set<string>): Promise<void> {
		let node = root;
		for (;;) {
			const index = node.lowerBound(path);
			if (node.keys[index] === path) {
				await this.#edge(node.subtrees[index] ?? null, "right", cids);
				await this.#edge(node.subtrees[index + 1] ?? null, "left", cids);
				return;
			}
			const child = node.subtrees[index];
			if (child === null || child === undefined) return;
			cids.add(child.$link);
			node = await this.#nodes.get(child.$link);
		}
	}

	/** Adds the nodes along one edge of a sub-tree, down to its outermost key, which is the neighbour. */
	async #edge(top: CidLink | null, side: "left" | "right", cids: Set<string>): Promise<void> {
		let child = top;
		while (child !== null) {
			cids.add(child.$link);
			const node = await this.#nodes.get(child.$link);
			child = node.subtrees.at(side === "left" ? 0 : -1) ?? null;
		}
	}

	/** Removes the blocks that are not in the tree of `after` any more, and those that only drafts between the two trees needed. */
	async sweep(before: string, after: string): Promise<void> {
		const [created, deleted] = await mstDiff(this.#nodes, before, after);
		const garbage = this.#store.fresh.difference(created).union(deleted);
		garbage.delete(await this.emptyRoot());
		await this.#store.deleteMany([...garbage]);
		this.#store.fresh.clear();
		if (++this.#storeCommits % STORE_COMMITS > 0) return;
		this.#nodes = new NodeStore(this.#store);
		this.#wrangler = new NodeWrangler(this.#nodes);
	}

	/**
	 * Builds a tree of many records at once. This costs a few hashes for each key, instead of a path of nodes for each key.
	 * @param records by path
	 */
	async build(records: ReadonlyMap<string, CidLink>): Promise<string> {
		if (records.size === 0) return this.emptyRoot();
		const keys = [...records.keys()].sort();
		const heights = await Promise.all(keys.map(getKeyHeight));
		const leaves = keys.map((key, index) => ({ key, height: heights[index] ?? 0 }));
		const root = await this.#buildNode(leaves, Math.max(...heights), records);
		this.#store.fresh.clear();
		if (root === null) throw new Error("a tree of records can't be empty");
		return root.$link;
	}

	async #buildNode(
		leaves: readonly { key: string; height: number }[],
		height: number,
		records: ReadonlyMap<string, CidLink>,
	): Promise<CidLink | null> {
		if (leaves.length === 0) return null;
		const keys: string[] = [];
		const values: CidLink[] = [];
		const subtrees: (CidLink | null)[] = [];
		let start = 0;
		for (const [index, leaf] of leaves.entries()) {
			const value = records.get(leaf.key);
			if (leaf.height !== height || value === undefined) continue;
			subtrees.push(await this.#buildNode(leaves.slice(start, index), height - 1, records));
			keys.push(leaf.key);
			values.push(value);
			start = index + 1;
		}
		subtrees.push(await this.#buildNode(leaves.slice(start), height - 1, records));
		return (await this.#nodes.put(await MSTNode.create(keys, values, subtrees))).cid();
	}
}
