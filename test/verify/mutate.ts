import { encode, toBytes } from "@atcute/cbor";
import { SimAccount } from "../../src/sim/account.ts";
import { cidBytes, cidOf } from "../../src/sim/blocks.ts";
import { SimClock } from "../../src/sim/clock.ts";
import { type CommitDraft, linkOf } from "../../src/sim/commit.ts";
import type { SimCurve, SimKey } from "../../src/sim/keys.ts";
import { joinFrame, type SimPayload } from "../../src/sim/message.ts";
import { Rng } from "../../src/sim/rng.ts";
import { MUTATIONS } from "./mutations.ts";

const FIXED_MS = Date.UTC(2026, 0, 1);

/** A block of a CAR. The CID need not match the data. */
export interface CarBlock {
	cid: Uint8Array;
	data: Uint8Array;
}

/**
 * A message that is being made, which mutations change at any stage. Changes of the draft or the commit object are then hashed and
 * signed, so only deep checks find them. Changes at later stages are found by checks of hashes and signatures.
 */
export interface Mutant {
	type: "commit" | "sync";
	draft: CommitDraft;
	/** The key that signs. */
	signer: SimKey;
	/** The key that the engine is told to be the account's. */
	key: SimKey;
	object: ((commit: Record<string, unknown>) => Record<string, unknown>)[];
	signature: ((signature: Uint8Array) => Uint8Array)[];
	commitBlock: ((bytes: Uint8Array) => Uint8Array)[];
	blocks: ((blocks: CarBlock[]) => CarBlock[])[];
	roots: ((roots: Uint8Array[]) => Uint8Array[])[];
	header: ((header: Uint8Array) => Uint8Array)[];
	car: ((car: Uint8Array) => Uint8Array)[];
	body: ((body: SimPayload) => void)[];
	frame: ((frame: Uint8Array) => Uint8Array)[];
}

/** A draft to start from, and the keys that may sign it. */
export interface Specimen {
	draft: CommitDraft;
	key: SimKey;
}

export interface MutatedFrame {
	frame: Uint8Array;
	key: SimKey;
	/** Names of the mutations, for the report of a disagreement. */
	mutations: string[];
}

/** Drafts of all kinds: creates, updates and deletes, alone and in batches, empty and first commits, on both curves. */
export async function makeSpecimens(seed: string): Promise<Specimen[]> {
	const specimens: Specimen[] = [];
	const curves: SimCurve[] = ["k256", "k256", "p256"];
	for (const [index, curve] of curves.entries()) {
		for (const records of [0, 1, 6, 40, 400]) {
			const rng = new Rng(`${seed}/specimen ${index} ${records}`);
			const account = await SimAccount.create({ rng, clock: new SimClock(() => FIXED_MS), curve, records });
			if (records === 0) specimens.push({ draft: await account.draft([]), key: account.key });
			specimens.push({ draft: await account.draft([account.newRecord()]), key: account.key });
			await account.commit(Array.from({ length: 4 }, () => account.newRecord()));
			for (const writes of [batch(account, 0), batch(account, 1), batch(account, 3), batch(account, 9)]) {
				specimens.push({ draft: await account.draft(writes), key: account.key });
			}
			await account.commit(batch(account, 3));
			specimens.push({ draft: await account.draft(batch(account, 2)), key: account.key });
		}
	}
	return specimens;
}

/** Some writes, no two of the same record. */
function batch(account: SimAccount, count: number): Parameters<SimAccount["draft"]>[0] {
	const writes = new Map<string, Parameters<SimAccount["draft"]>[0][number]>();
	for (let i = 0; i < count; i++) {
		const fresh = account.newRecord();
		const existing = account.anyRecord();
		const kind = existing === null || writes.has(existing.path) ? 0 : account.rng.int(3);
		if (kind === 0 || existing === null) writes.set(fresh.path, fresh);
		else if (kind === 1) writes.set(existing.path, { action: "delete", path: existing.path });
		else
			writes.set(existing.path, {
				action: "update",
				path: existing.path,
				record: { text: account.rng.text(9, "abc") },
			});
	}
	return [...writes.values()];
}

/** Makes the case `number` of a seed, which is always the same frame. About one in thirty is still good. */
export function mutatedFrame(specimens: readonly Specimen[], seed: string, number: number): MutatedFrame {
	const rng = new Rng(`${seed}/case ${number}`);
	const mutant = begin(rng.pick(specimens), rng);
	const mutations: string[] = [];
	const count = rng.int(30) === 0 ? 0 : 1 + (rng.int(3) === 0 ? 1 : 0);
	for (let i = 0; i < count; i++) {
		const name = rng.pick(MUTATION_NAMES);
		MUTATIONS[name]?.(mutant, rng, specimens);
		mutations.push(name);
	}
	return { frame: finish(mutant), key: mutant.key, mutations };
}

const MUTATION_NAMES = Object.keys(MUTATIONS);

function begin({ draft, key }: Specimen, rng: Rng): Mutant {
	return {
		type: rng.int(8) === 0 ? "sync" : "commit",
		draft: {
			...draft,
			commit: { ...draft.commit },
			ops: draft.ops.map((op) => ({ ...op })),
			nodes: new Map(draft.nodes),
			records: new Map(draft.records),
		},
		signer: key,
		key,
		object: [],
		signature: [],
		commitBlock: [],
		blocks: [],
		roots: [],
		header: [],
		car: [],
		body: [],
		frame: [],
	};
}

function apply<T>(changes: readonly ((value: T) => T)[], value: T): T {
	return changes.reduce((changed, change) => change(changed), value);
}

function finish(mutant: Mutant): Uint8Array {
	const { draft, type } = mutant;
	const object = apply<Record<string, unknown>>(mutant.object, { ...draft.commit });
	const signature = apply(mutant.signature, mutant.signer.sign(encode(object)));
	const block = Uint8Array.from(apply(mutant.commitBlock, encode({ ...object, sig: toBytes(signature) })));
	const commit = cidOf(block);
	const blocks = [...(type === "commit" ? [...draft.nodes, ...draft.records] : []), [commit.$link, block] as const];
	const car = encodeCar(
		mutant,
		[cidBytes(commit)],
		blocks.map(([cid, data]) => ({ cid: cidBytes(cid), data })),
	);
	const { did, rev } = draft.commit;
	const common = { rev, blocks: toBytes(car), time: draft.time, seq: 1 };
	const body: SimPayload =
		type === "sync"
			? { did, ...common }
			: {
					repo: did,
					...common,
					since: draft.since,
					commit: linkOf(commit.$link),
					ops: draft.ops.map((op) => ({ ...op })),
					...(draft.prevData === null ? {} : { prevData: draft.prevData }),
					blobs: [],
					tooBig: false,
					rebase: false,
				};
	for (const change of mutant.body) change(body);
	return apply<Uint8Array>(mutant.frame, joinFrame({ op: 1, t: `#${type}` }, body));
}

function encodeCar(mutant: Mutant, root: Uint8Array[], all: CarBlock[]): Uint8Array {
	const roots = apply(mutant.roots, root).map((cid) => Buffer.concat([LINK_HEAD, Buffer.of(cid.length + 1, 0), cid]));
	const header = Buffer.concat([
		Buffer.from("a265726f6f7473", "hex"),
		Buffer.of(0x80 + roots.length),
		...roots,
		Buffer.from("6776657273696f6e01", "hex"),
	]);
	const blocks = apply(mutant.blocks, all).map(({ cid, data }) => section(Buffer.concat([cid, data])));
	return apply<Uint8Array>(mutant.car, Buffer.concat([section(apply<Uint8Array>(mutant.header, header)), ...blocks]));
}

/** Tag 42 and the head of a byte string whose length is one byte. */
const LINK_HEAD = Buffer.from("d82a58", "hex");

function section(bytes: Uint8Array): Uint8Array {
	return Buffer.concat([varint(bytes.length), bytes]);
}

/** Unsigned LEB128. */
export function varint(value: number): Uint8Array {
	const bytes: number[] = [];
	let left = value;
	while (left >= 0x80) {
		bytes.push((left & 0x7f) | 0x80);
		left = Math.floor(left / 0x80);
	}
	return Uint8Array.from([...bytes, left]);
}
