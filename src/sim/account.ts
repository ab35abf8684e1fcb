import { encode } from "@atcute/cbor";
import type { CidLink } from "@atcute/cid";
import { type Blocks, cidOf, cidOfText } from "./blocks.ts";
import { type SimClock, tidOf } from "./clock.ts";
import {
	type CommitDraft,
	linkOf,
	type SignedCommit,
	type SimOp,
	type SimWrite,
	sealCommit,
	sealSync,
	signCommit,
	type UnsignedCommit,
} from "./commit.ts";
import { makeDidPlc, type SimCurve, SimKey } from "./keys.ts";
import type { SimMessage } from "./message.ts";
import { drawCollection, makeRecord } from "./records.ts";
import type { Rng } from "./rng.ts";
import { SimTree } from "./tree.ts";

/** How far in the past the first record of a pre-populated repo lies. */
const HISTORY_MS = 365 * 24 * 3600 * 1000;

export interface SimAccountOptions {
	rng: Rng;
	clock: SimClock;
	curve: SimCurve;
	/** Number of records that it has from the start. If 0, its first commit is a genesis commit. */
	records?: number;
	/** A did:web, if the account is not in the PLC directory. */
	did?: string;
}

/** The repo as of its last commit. */
interface RepoState {
	commit: UnsignedCommit;
	signed: SignedCommit;
}

/**
 * An account with its repo: the chain of its commits and the messages that its PDS sends about them. Each method that changes the
 * repo returns the message about the change. They must be called one after the other.
 */
export class SimAccount {
	readonly did: string;
	readonly handle: string;
	readonly rng: Rng;
	readonly clock: SimClock;
	key: SimKey;
	readonly #tree = new SimTree();
	readonly #records = new Map<string, CidLink>();
	/** The keys of `#records` as an array, so that one can be drawn in constant time. */
	readonly #paths: string[] = [];
	#state: RepoState | null = null;

	private constructor(options: SimAccountOptions) {
		this.rng = options.rng;
		this.clock = options.clock;
		this.key = new SimKey(options.curve, options.rng);
		this.did = options.did ?? makeDidPlc(options.rng);
		this.handle = `${options.rng.text(8, "abcdefghijklmnopqrstuvwxyz")}.example.com`;
	}

	static async create(options: SimAccountOptions): Promise<SimAccount> {
		const account = new SimAccount(options);
		if (options.records !== undefined && options.records > 0) await account.#populate(options.records);
		return account;
	}

	/** Rev of the last commit; null before the first. */
	get rev(): string | null {
		return this.#state?.commit.rev ?? null;
	}

	/** MST root of the last commit; null before the first. */
	get data(): string | null {
		return this.#state?.commit.data.$link ?? null;
	}

	/** CID of the last commit; null before the first. */
	get head(): string | null {
		return this.#state?.signed.cid.$link ?? null;
	}

	get recordCount(): number {
		return this.#paths.length;
	}

	/** Path and CID of a random record of the account, or null if it has none. */
	anyRecord(): { path: string; cid: CidLink } | null {
		if (this.#paths.length === 0) return null;
		const path = this.rng.pick(this.#paths);
		const cid = this.#records.get(path);
		return cid === undefined ? null : { path, cid };
	}

	/** A write that creates a record of a random collection under a new TID. */
	newRecord(): SimWrite {
		const collection = drawCollection(this.rng);
		const record = makeRecord(collection, this.rng, this.clock);
		return { action: "create", path: `${collection}/${this.clock.tid()}`, record };
	}

	async #populate(count: number): Promise<void> {
		const stepUs = Math.floor((HISTORY_MS * 1000) / count);
		const startUs = (this.clock.nowMs() - HISTORY_MS) * 1000;
		for (let i = 0; i < count; i++) {
			const path = `${drawCollection(this.rng)}/${tidOf(startUs + i * stepUs + this.rng.int(stepUs), this.rng.int(1024))}`;
			if (!this.#records.has(path)) this.#paths.push(path);
			this.#records.set(path, cidOfText(`${this.did}/${path}`));
		}
		const commit = this.#unsigned(await this.#tree.build(this.#records));
		this.#state = { commit, signed: signCommit(commit, this.key) };
	}

	#unsigned(data: string): UnsignedCommit {
		return { did: this.did, version: 3, data: linkOf(data), rev: this.clock.tid(), prev: null };
	}

	/**
	 * Prepares a commit of some writes, without changing the repo.
	 * @throws {Error} if a record to update or delete doesn't exist
	 */
	async draft(writes: readonly SimWrite[]): Promise<CommitDraft> {
		const before = this.data ?? (await this.#tree.emptyRoot());
		const ops: SimOp[] = [];
		const records: Blocks = new Map();
		let root = before;
		for (const write of writes) {
			const op = this.#opOf(write, records);
			ops.push(op);
			root = op.cid === null ? await this.#tree.delete(root, op.path) : await this.#tree.put(root, op.path, op.cid);
		}
		const nodes = await this.#tree.proof(
			before,
			root,
			ops.map((op) => op.path),
		);
		if (this.#state === null) nodes.set(root, await this.#tree.block(root));
		return {
			commit: this.#unsigned(root),
			since: this.rev,
			prevData: this.#state?.commit.data ?? null,
			ops,
			nodes,
			records,
			time: this.clock.datetime(),
		};
	}

	#opOf(write: SimWrite, records: Blocks): SimOp {
		const prev = this.#records.get(write.path);
		if (write.action !== "create" && prev === undefined) throw new Error(`there is no record ${write.path}`);
		const before = prev === undefined ? {} : { prev };
		if (write.action === "delete") return { action: "delete", path: write.path, cid: null, ...before };
		const bytes = encode(write.record);
		const cid = cidOf(bytes);
		records.set(cid.$link, bytes);
		return { action: write.action, path: write.path, cid, ...before };
	}

	/** Makes a draft the repo's state. */
	async apply(draft: CommitDraft, signed: SignedCommit): Promise<void> {
		const before = this.data ?? (await this.#tree.emptyRoot());
		for (const op of draft.ops) {
			if (op.cid === null) this.#forget(op.path);
			else {
				if (!this.#records.has(op.path)) this.#paths.push(op.path);
				this.#records.set(op.path, op.cid);
			}
		}
		await this.#tree.sweep(before, draft.commit.data.$link);
		this.#state = { commit: draft.commit, signed };
	}

	#forget(path: string): void {
		this.#records.delete(path);
		const index = this.#paths.lastIndexOf(path);
		const last = this.#paths.pop();
		if (last !== undefined && index < this.#paths.length) this.#paths[index] = last;
	}

	/** Commits some writes; none at all is an empty commit, which changes only rev and signature (rulebook 2.1). */
	async commit(writes: readonly SimWrite[] = [this.newRecord()]): Promise<SimMessage> {
		const draft = await this.draft(writes);
		const signed = signCommit(draft.commit, this.key);
		await this.apply(draft, signed);
		return sealCommit(draft, signed);
	}

	/** Announces the last commit by `#sync`. */
	async sync(): Promise<SimMessage> {
		if (this.#state === null) throw new Error("the repo has no commit yet");
		return sealSync(this.#state.commit, this.#state.signed, this.clock.datetime());
	}

	/** Makes an empty commit and announces it by `#sync` alone. */
	async resync(): Promise<SimMessage> {
		await this.commit([]);
		return this.sync();
	}

	identity(handle: string | null = this.handle): SimMessage {
		const body = { did: this.did, time: this.clock.datetime(), ...(handle === null ? {} : { handle }) };
		return { type: "identity", did: this.did, rev: null, body };
	}

	account(active: boolean, status: string | null = null): SimMessage {
		const body = { did: this.did, time: this.clock.datetime(), active, ...(status === null ? {} : { status }) };
		return { type: "account", did: this.did, rev: null, body };
	}

	/** The same account with an empty repo, as after a deletion. It keeps its clock and key. */
	async madeAnew(): Promise<SimAccount> {
		const { rng, clock, did, key } = this;
		const account = await SimAccount.create({ rng, clock, did, curve: key.curve });
		account.key = key;
		return account;
	}

	/** Takes a new signing key. Commits verify again once the DID document has it too. */
	rotateKey(curve: SimCurve = this.key.curve): void {
		this.key = new SimKey(curve, this.rng);
	}
}
