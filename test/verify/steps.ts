import { encode } from "@atcute/cbor";
import type { CidLink } from "@atcute/cid";
import { type Blocks, cidOf } from "../../src/sim/blocks.ts";
import { tidOf } from "../../src/sim/clock.ts";
import { type CommitDraft, linkOf, type SimOp, sealCommit, signCommit } from "../../src/sim/commit.ts";
import { makeDidPlc, type SimCurve, SimKey } from "../../src/sim/keys.ts";
import type { SimMessage } from "../../src/sim/message.ts";
import { Rng } from "../../src/sim/rng.ts";
import { type BuiltNode, buildTree, heightOf } from "./trees.ts";

const START_US = Date.UTC(2026, 0, 1) * 1000;

/** Two trees, and the ops that lead from the first to the second. */
export interface Step {
	before: BuiltNode;
	after: BuiltNode;
	ops: SimOp[];
	/** The blocks of the records that the ops create or update. */
	records: Blocks;
}

/** Records by path. Records with different numbers are different. */
export type Records = ReadonlyMap<string, number>;

/** The step between two sets of records. Its ops are in the order of `paths`; those with other paths come last. */
export function stepBetween(before: Records, after: Records, paths: readonly string[] = []): Step {
	const ops: SimOp[] = [];
	const records: Blocks = new Map();
	for (const path of new Set([...paths, ...before.keys(), ...after.keys()])) {
		const [old, now] = [before.get(path), after.get(path)];
		if (old === now) continue;
		const prev = old === undefined ? null : { prev: cidOf(recordOf(old)) };
		if (now === undefined) ops.push({ action: "delete", path, cid: null, ...prev });
		else {
			const cid = cidOf(recordOf(now));
			records.set(cid.$link, recordOf(now));
			ops.push({ action: prev === null ? "create" : "update", path, cid, ...prev });
		}
	}
	return { before: buildTree(linksOf(before)), after: buildTree(linksOf(after)), ops, records };
}

function recordOf(number: number): Uint8Array<ArrayBuffer> {
	return Uint8Array.from(encode({ number }));
}

function linksOf(records: Records): Map<string, CidLink> {
	return new Map(Array.from(records, ([path, number]) => [path, cidOf(recordOf(number))]));
}

/** Makes the commits of one account. */
export class Committer {
	readonly key: SimKey;
	readonly #did: string;

	constructor(name: string, curve: SimCurve) {
		this.key = new SimKey(curve, new Rng(name));
		this.#did = makeDidPlc(new Rng(name));
	}

	/** The commit of a step, with these blocks of the tree. */
	commit({ before, after, ops, records }: Step, nodes: Blocks): Promise<SimMessage> {
		const draft: CommitDraft = {
			commit: { did: this.#did, version: 3, data: linkOf(after.link), rev: tidOf(START_US + 2e9, 0), prev: null },
			since: tidOf(START_US, 0),
			prevData: linkOf(before.link),
			ops,
			nodes,
			records,
			time: "2026-01-01T00:00:00Z",
		};
		return sealCommit(draft, signCommit(draft.commit, this.key));
	}
}

/** Returns a function that finds keys of a collection in ascending order, each with the given height. */
export function keyFinder(collection: string): (height: number) => string {
	let number = 0;
	return (height) => {
		for (;;) {
			const key = `${collection}/${String(number++).padStart(6, "0")}`;
			if (heightOf(key) === height) return key;
		}
	};
}
