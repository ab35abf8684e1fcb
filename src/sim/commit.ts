import { encode, toBytes } from "@atcute/cbor";
import type { CidLink } from "@atcute/cid";
import * as CID from "@atcute/cid";
import { type Blocks, cidOf, encodeCar } from "./blocks.ts";
import type { SimKey } from "./keys.ts";
import type { SimMessage } from "./message.ts";

/** One change of a record. */
export type SimWrite =
	| { action: "create" | "update"; path: string; record: unknown }
	| { action: "delete"; path: string };

/** An op as `#commit` lists it. */
export interface SimOp {
	action: string;
	path: string;
	cid: CidLink | null;
	prev?: CidLink;
}

/** The commit object before it is signed (rulebook 2.8). */
export interface UnsignedCommit {
	did: string;
	version: number;
	data: CidLink;
	rev: string;
	prev: CidLink | null;
}

/** A commit before it is signed and applied. A test that breaks a rule changes it here. */
export interface CommitDraft {
	commit: UnsignedCommit;
	since: string | null;
	prevData: CidLink | null;
	ops: SimOp[];
	/** MST nodes by CID. */
	nodes: Blocks;
	/** Record blocks by CID. */
	records: Blocks;
	time: string;
}

/** A signed commit block. */
export interface SignedCommit {
	cid: CidLink;
	bytes: Uint8Array<ArrayBuffer>;
}

/** Signs a commit object. A test that breaks the signature changes it here. */
export function signCommit(
	commit: UnsignedCommit,
	key: SimKey,
	alter = (signature: Uint8Array): Uint8Array => signature,
): SignedCommit {
	const signature = alter(key.sign(encode(commit)));
	const bytes = encode({ ...commit, sig: toBytes(signature) });
	return { cid: cidOf(bytes), bytes };
}

/** The link that the encoder needs, for a CID as text. */
export function linkOf(cid: string): CidLink {
	return CID.toCidLink(CID.fromString(cid));
}

/** The blocks of a draft in the order a PDS writes them: the commit block is never the first (rulebook 2.1). */
export function draftBlocks(draft: CommitDraft, signed: SignedCommit): Blocks {
	return new Map([...draft.nodes, ...draft.records, [signed.cid.$link, signed.bytes]]);
}

/** Makes the `#commit` of a draft and its signed commit block. */
export async function sealCommit(draft: CommitDraft, signed: SignedCommit): Promise<SimMessage> {
	return commitMessage(draft, signed, await encodeCar([signed.cid], draftBlocks(draft, signed)));
}

/** Makes the `#commit` of a draft around a CAR. */
export function commitMessage(draft: CommitDraft, signed: SignedCommit, car: Uint8Array): SimMessage {
	return {
		type: "commit",
		did: draft.commit.did,
		rev: draft.commit.rev,
		body: {
			repo: draft.commit.did,
			rev: draft.commit.rev,
			since: draft.since,
			commit: signed.cid,
			blocks: toBytes(car),
			ops: draft.ops.map((op) => ({ ...op })),
			...(draft.prevData === null ? {} : { prevData: draft.prevData }),
			blobs: [],
			tooBig: false,
			rebase: false,
			time: draft.time,
		},
	};
}

/** Makes the `#sync` of a signed commit block. */
export async function sealSync(commit: UnsignedCommit, signed: SignedCommit, time: string): Promise<SimMessage> {
	const car = await encodeCar([signed.cid], new Map([[signed.cid.$link, signed.bytes]]));
	return {
		type: "sync",
		did: commit.did,
		rev: commit.rev,
		body: { did: commit.did, rev: commit.rev, blocks: toBytes(car), time },
	};
}
