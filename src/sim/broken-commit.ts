import { type Bytes, CidLinkWrapper, decode, encode, fromBytes, toBytes } from "@atcute/cbor";
import type { CidLink } from "@atcute/cid";
import {
	COMMIT_BLOCKS_BYTES_MAX,
	COMMIT_OPS_MAX,
	REPO_RECORD_BYTES_MAX,
	REV_FUTURE_MS_MAX,
} from "../protocol/limits.ts";
import type { RejectionReason } from "../protocol/reasons.ts";
import type { SimAccount } from "./account.ts";
import { type Blocks, cidOf, cidOfText, encodeCar } from "./blocks.ts";
import { tidOf } from "./clock.ts";
import {
	type CommitDraft,
	commitMessage,
	draftBlocks,
	type SimWrite,
	signCommit,
	type UnsignedCommit,
} from "./commit.ts";
import { SimKey } from "./keys.ts";
import type { SimMessage, SimPayload } from "./message.ts";

/** How a commit is broken on its way from the writes to the payload. Steps that are left out stay right. */
interface Breakage {
	writes?: (account: SimAccount) => SimWrite[];
	/** Fields of the commit object to replace before it is signed. */
	commit?: (account: SimAccount) => Partial<UnsignedCommit>;
	/** Changes the rest of the draft before the commit is signed. */
	draft?: (draft: CommitDraft) => void;
	signature?: (signature: Uint8Array, account: SimAccount) => Uint8Array;
	key?: (account: SimAccount) => SimKey;
	/** Changes the blocks after the commit is signed. `commit` is the commit block's CID, as text. */
	blocks?: (blocks: Blocks, draft: CommitDraft, commit: string) => void;
	root?: (draft: CommitDraft) => CidLink;
	/** Fields of the payload to replace. */
	payload?: (payload: SimPayload, account: SimAccount) => SimPayload;
}

/** Makes the message of a broken commit. The account's repo stays as it was, so that its next commit is good. */
async function breakCommit(account: SimAccount, breakage: Breakage): Promise<SimMessage> {
	const draft = await account.draft(breakage.writes?.(account) ?? [account.newRecord()]);
	Object.assign(draft.commit, breakage.commit?.(account));
	breakage.draft?.(draft);
	const key = breakage.key?.(account) ?? account.key;
	const alter = (signature: Uint8Array): Uint8Array => breakage.signature?.(signature, account) ?? signature;
	const signed = signCommit(draft.commit, key, alter);
	const blocks = draftBlocks(draft, signed);
	breakage.blocks?.(blocks, draft, signed.cid.$link);
	const message = commitMessage(draft, signed, await encodeCar([breakage.root?.(draft) ?? signed.cid], blocks));
	Object.assign(message.body, breakage.payload?.(message.body, account));
	return message;
}

/** A post whose text has this many characters. */
function longPost(account: SimAccount, chars: number): SimWrite {
	return { action: "create", path: `app.bsky.feed.post/${account.clock.tid()}`, record: { text: "x".repeat(chars) } };
}

function carBytes(payload: SimPayload): Uint8Array {
	return fromBytes(payload.blocks as Bytes);
}

/** Gives the root node another entry with the key of its last one, so that its keys don't ascend. */
function repeatLastKey(draft: CommitDraft): void {
	const bytes = draft.nodes.get(draft.commit.data.$link);
	const node = decode(bytes ?? new Uint8Array()) as { l: unknown; e: { k: Bytes; p: number }[] };
	const last = node.e.at(-1);
	if (last === undefined) throw new Error("the root of a repo with records has entries");
	node.e.push({ ...last, p: last.p + fromBytes(last.k).length, k: toBytes(new Uint8Array()) });
	const broken = encode(node);
	draft.nodes.delete(draft.commit.data.$link);
	draft.commit.data = cidOf(broken);
	draft.nodes.set(draft.commit.data.$link, broken);
}

/** Makes the op name another record than the one in the tree. The block of that record is there. */
function swapRecord(draft: CommitDraft): void {
	const bytes = encode({ text: "not the record that the tree names" });
	const cid = cidOf(bytes);
	for (const op of draft.ops) op.cid = cid;
	draft.records.set(cid.$link, bytes);
}

const BREAKAGES = {
	/** `blobs` has a link to a CID of one byte. */
	"link-malformed": { payload: () => ({ blobs: [new CidLinkWrapper(Uint8Array.of(7))] }) },
	/** `rev` is a number. */
	"message-schema": { payload: () => ({ rev: 7 }) },
	/** The DID has a colon too many at its end. */
	"did-syntax": { commit: (account) => ({ did: `${account.did}:` }) },
	/** The DID is a did:key. */
	"did-method": { commit: (account) => ({ did: account.key.didKey }) },
	/** `blocks` has no bytes. */
	"blocks-empty": { payload: () => ({ blocks: toBytes(new Uint8Array()) }) },
	/** The CAR has one more block, which is not needed and makes the CAR too long. */
	"blocks-too-large": {
		blocks: (blocks) => {
			const padding = encode("x".repeat(COMMIT_BLOCKS_BYTES_MAX));
			blocks.set(cidOf(padding).$link, padding);
		},
	},
	/** A good commit of 201 creates. */
	"ops-too-many": { writes: (account) => Array.from({ length: COMMIT_OPS_MAX + 1 }, () => account.newRecord()) },
	/** `rev` is a text that is not a TID, in message and commit. */
	"rev-syntax": { commit: () => ({ rev: "not-a-tid" }) },
	/** `rev` lies an hour further in the future than is allowed. */
	"rev-future": {
		commit: (account) => ({ rev: tidOf((account.clock.nowMs() + REV_FUTURE_MS_MAX + 3_600_000) * 1000, 0) }),
	},
	/** `rev` is that of the account's last commit. */
	"rev-stale": { commit: ({ rev }) => (rev === null ? {} : { rev }) },
	/** The last byte of the CAR is missing. */
	"car-malformed": { payload: (payload) => ({ blocks: toBytes(carBytes(payload).subarray(0, -1)) }) },
	/** The CAR's root is the MST root instead of the commit. */
	"car-root-mismatch": { root: (draft) => draft.commit.data },
	/** The commit block is not in the CAR. */
	"car-block-missing": { blocks: (blocks, _draft, commit) => void blocks.delete(commit) },
	/** The last byte of the new record is changed, so that it doesn't match its CID. */
	"car-block-hash": {
		draft: ({ records }) => {
			for (const [cid, bytes] of records) records.set(cid, Buffer.concat([bytes.subarray(0, -1), Buffer.of(0x21)]));
		},
	},
	/** The commit is of version 2. */
	"commit-malformed": { commit: () => ({ version: 2 }) },
	/** The message names the account, but the commit in it, signed with the right key, names another one. */
	"commit-did-mismatch": {
		commit: () => ({ did: "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa" }),
		payload: (_payload, account) => ({ repo: account.did }),
	},
	/** The message's `rev` is later than the commit's. */
	"commit-rev-mismatch": { payload: (_payload, account) => ({ rev: account.clock.tid() }) },
	/** The signature is a byte too short. */
	"signature-encoding": { signature: (signature) => signature.subarray(0, -1) },
	/** The signature's equivalent with a high s. */
	"signature-high-s": { signature: (signature, account) => account.key.withHighS(signature) },
	/** The commit is signed with another key. */
	"signature-invalid": { key: (account) => new SimKey(account.key.curve, account.rng) },
	/** An action that doesn't exist. */
	"op-malformed": {
		draft: ({ ops }) => {
			for (const op of ops) op.action = "rename";
		},
	},
	/** The same op twice. */
	"op-duplicate-path": { draft: ({ ops }) => void ops.push(...ops) },
	/** The new record's block is not in the CAR. */
	"record-missing": { draft: ({ records }) => records.clear() },
	/** The new record is a CBOR array. */
	"record-malformed": {
		writes: (account) => [{ action: "create", path: `app.bsky.feed.post/${account.clock.tid()}`, record: [1, 2] }],
	},
	/** The new record has more bytes than are allowed. */
	"record-too-large": { writes: (account) => [longPost(account, REPO_RECORD_BYTES_MAX)] },
	/** The root node has the same key twice; the commit is signed over that root. */
	"mst-malformed": { draft: repeatLastKey },
	/** The root node is not in the CAR. */
	"mst-partial": { draft: ({ nodes, commit }) => void nodes.delete(commit.data.$link) },
	/** The op's record is there, but the tree names another one. */
	"op-tree-mismatch": { draft: swapRecord },
	/** A commit that isn't the first has no `prevData`. */
	"prev-data-missing": {
		draft: (draft) => {
			draft.prevData = null;
		},
	},
	/** `prevData` names a tree that never existed. */
	"prev-data-mismatch": { payload: () => ({ prevData: cidOfText("no such tree") }) },
	"too-big-flag": { payload: () => ({ tooBig: true }) },
	"rebase-flag": { payload: () => ({ rebase: true }) },
	/** `time` is a text that is not a datetime. */
	"time-syntax": { payload: () => ({ time: "yesterday" }) },
} satisfies Partial<Record<RejectionReason, Breakage>>;

/** Reasons that a single `#commit` can cause in any situation. */
export type BrokenCommitReason = keyof typeof BREAKAGES;

export const BROKEN_COMMIT_REASONS = Object.keys(BREAKAGES) as BrokenCommitReason[];

/**
 * Makes a `#commit` that breaks just one rule. All else about it is right, and it is really signed. The account must have a commit
 * already. Its repo stays as it was.
 */
export function brokenCommit(reason: BrokenCommitReason, account: SimAccount): Promise<SimMessage> {
	return breakCommit(account, BREAKAGES[reason]);
}
