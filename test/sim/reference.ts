import { encode, fromBytes } from "@atcute/cbor";
import { cborToLex, MemoryBlockstore, MST, Repo, readCarWithRoot, verifyDiffCar } from "@atproto/repo";
import type { SimMessage } from "./message.ts";

type RefCid = Awaited<ReturnType<typeof readCarWithRoot>>["root"];

interface RefOp {
	action: "create" | "update" | "delete";
	path: string;
	cid: RefCid | null;
	prev?: RefCid;
}

interface RefCommit {
	commit: RefCid;
	ops: RefOp[];
}

/** The message's CAR. */
export function carOf(message: SimMessage): Uint8Array {
	return fromBytes(message.body.blocks as Parameters<typeof fromBytes>[0]);
}

/** The payload as the reference implementation decodes it, so that its functions take the CIDs in it. */
export function referenceView(message: SimMessage): RefCommit {
	return cborToLex(encode(message.body)) as unknown as RefCommit;
}

/**
 * Follows one repo with the reference implementation, which keeps all blocks and verifies each commit as a diff to them:
 * the signature, and that the ops are just what changed in the tree.
 */
export class ReferenceFollower {
	readonly #storage = new MemoryBlockstore();
	#repo: Repo | null = null;

	/** @throws {Error} if the reference implementation finds the commit bad. Returns the new MST root. */
	async follow(message: SimMessage, didKey: string): Promise<string> {
		const view = referenceView(message);
		const diff = await verifyDiffCar(this.#repo, carOf(message), message.did, didKey);
		const found = diff.writes.map((write) => `${write.action} ${write.collection}/${write.rkey}`).sort();
		const claimed = view.ops.map((op) => `${op.action} ${op.path}`).sort();
		if (found.join() !== claimed.join()) throw new Error(`the tree changed by ${found}, the ops say ${claimed}`);
		await this.#storage.applyCommit(diff.commit);
		this.#repo = await Repo.load(this.#storage, view.commit);
		return String(await this.#repo.data.getPointer());
	}
}

/**
 * Undoes a commit's ops with the reference implementation's MST, on nothing but the blocks of the commit's CAR
 * (rulebook 2.12). Returns the root of the tree before.
 * @throws {Error} if the CAR lacks a node that this needs
 */
export async function invertWithReference(message: SimMessage): Promise<string> {
	const view = referenceView(message);
	const { root, blocks } = await readCarWithRoot(carOf(message));
	const storage = new MemoryBlockstore(blocks);
	const { data } = await Repo.load(storage, root);
	let tree = MST.load(storage, await data.getPointer());
	for (const op of view.ops.toSorted((a, b) => (a.path < b.path ? 1 : -1))) {
		if (op.action === "create") tree = await tree.delete(op.path);
		else if (op.prev === undefined) throw new Error(`the ${op.action} of ${op.path} has no prev`);
		else tree = op.action === "update" ? await tree.update(op.path, op.prev) : await tree.add(op.path, op.prev);
	}
	return String(await tree.getPointer());
}
