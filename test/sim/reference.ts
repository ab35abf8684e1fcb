import { encode, fromBytes, toBytes } from "@atcute/cbor";
import {
	blocksToCarFile,
	type CommitData,
	cborToLex,
	MemoryBlockstore,
	MST,
	type RecordWriteOp,
	Repo,
	readCarWithRoot,
	verifyDiffCar,
	WriteOpAction,
} from "@atproto/repo";
import { type Blocks, encodeCar } from "../../src/sim/blocks.ts";
import type { SimWrite } from "../../src/sim/commit.ts";
import type { SimKey } from "../../src/sim/keys.ts";
import type { SimMessage } from "../../src/sim/message.ts";

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

/** The payload as the reference implementation decodes it, so that its functions accept the CIDs in it. */
export function referenceView(message: SimMessage): RefCommit {
	return cborToLex(encode(message.body)) as unknown as RefCommit;
}

/**
 * Follows one repo with the reference implementation. It keeps all blocks, and verifies each commit as a diff to them: the
 * signature, and that the ops are exactly what changed in the tree.
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
 * Undoes a commit's ops with the reference implementation's MST, using only the blocks of the commit's CAR (rulebook 2.12). Returns
 * the root of the tree before the commit.
 * @throws {Error} if the CAR lacks a node that is needed for this
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

/**
 * Whether the reference implementation can walk a tree, and builds the same tree from the records in it. It does not check the
 * rules, but builds only one tree from given records. `unknown`: the tree lacks a node, or has a key that is not a record path.
 */
export async function judgeTree(root: string, nodes: Blocks): Promise<"sound" | "unsound" | "unknown"> {
	const car = await readCarWithRoot(await encodeCar([{ $link: root }], nodes));
	try {
		let rebuilt = await MST.create(new MemoryBlockstore());
		for (const { key, value } of await MST.load(new MemoryBlockstore(car.blocks), car.root).leaves()) {
			rebuilt = await rebuilt.add(key, value);
		}
		return String(await rebuilt.getPointer()) === root ? "sound" : "unsound";
	} catch (error) {
		// These classes are not exported.
		const isUnknown = error instanceof Error && /^(MissingBlock|InvalidMstKey)/.test(error.constructor.name);
		return isUnknown ? "unknown" : "unsound";
	}
}

/**
 * A repo that the reference implementation keeps. Its commits are made into messages as the reference PDS does it: with new nodes,
 * covering proofs, and the record of each create and update, even if the repo had it before.
 */
export class ReferenceRepo {
	readonly did: string;
	readonly #key: SimKey;
	readonly #storage = new MemoryBlockstore();
	#repo: Repo | null = null;

	constructor(did: string, key: SimKey) {
		this.did = did;
		this.#key = key;
	}

	/** MST root of the last commit. */
	async root(): Promise<string> {
		return String(await this.#current().data.getPointer());
	}

	/** Makes the repo, and its first commit. */
	async begin(): Promise<SimMessage> {
		const commit = await Repo.formatInitCommit(this.#storage, this.did, this.#keypair());
		this.#repo = await Repo.createFromCommit(this.#storage, commit);
		return this.#message(commit, [], null);
	}

	/** Commits some writes, no two of the same record. */
	async commit(writes: readonly SimWrite[]): Promise<SimMessage> {
		const before = this.#current();
		const commit = await before.formatCommit(writes.map(referenceWrite), this.#keypair());
		// A record that was removed from one path may still be at another.
		commit.removedCids.clear();
		const after = await before.applyCommit(commit);
		this.#repo = after;
		const ops = await Promise.all(
			writes.map(async ({ action, path }): Promise<RefOp> => {
				const [prev, cid] = [await before.data.get(path), await after.data.get(path)];
				return { action, path, cid, ...(prev === null ? null : { prev }) };
			}),
		);
		return this.#message(commit, ops, await before.data.getPointer());
	}

	async #message(commit: CommitData, ops: readonly RefOp[], prevData: RefCid | null): Promise<SimMessage> {
		const { cid, rev, since, newBlocks, relevantBlocks } = commit;
		const blocks = newBlocks.addMap(relevantBlocks);
		const records = blocks.getMany(ops.flatMap((op) => op.cid ?? []));
		blocks.addMap((await this.#storage.getBlocks(records.missing)).blocks);
		const link = (of: RefCid): { $link: string } => ({ $link: String(of) });
		const body = {
			repo: this.did,
			rev,
			since,
			commit: link(cid),
			blocks: toBytes(Uint8Array.from(await blocksToCarFile(cid, blocks))),
			ops: ops.map((op) => ({
				...op,
				cid: op.cid === null ? null : link(op.cid),
				...(op.prev === undefined ? null : { prev: link(op.prev) }),
			})),
			...(prevData === null ? null : { prevData: link(prevData) }),
			blobs: [],
			tooBig: false,
			rebase: false,
			time: new Date().toISOString(),
		};
		return { type: "commit", did: this.did, rev, body };
	}

	#current(): Repo {
		if (this.#repo === null) throw new Error("the repo has not begun");
		return this.#repo;
	}

	#keypair(): Parameters<typeof Repo.formatInitCommit>[2] {
		const { didKey, curve } = this.#key;
		return {
			jwtAlg: curve === "k256" ? "ES256K" : "ES256",
			did: () => didKey,
			sign: async (bytes) => Uint8Array.from(this.#key.sign(bytes)),
		};
	}
}

function referenceWrite(write: SimWrite): RecordWriteOp {
	const slash = write.path.indexOf("/");
	const [collection, rkey] = [write.path.slice(0, slash), write.path.slice(slash + 1)];
	const at = { collection, rkey } as Pick<RecordWriteOp, "collection" | "rkey">;
	if (write.action === "delete") return { action: WriteOpAction.Delete, ...at };
	const record = write.record as Extract<RecordWriteOp, { record: unknown }>["record"];
	return { action: write.action === "create" ? WriteOpAction.Create : WriteOpAction.Update, ...at, record };
}
