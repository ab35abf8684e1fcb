import { encode, fromBytes, toBytes } from "@atcute/cbor";
import type { RejectionReason } from "../../src/protocol/reasons.ts";
import type { SimAccount } from "../../src/sim/account.ts";
import { cidOf, cidOfText, encodeCar } from "../../src/sim/blocks.ts";
import type { BrokenCommitReason } from "../../src/sim/broken-commit.ts";
import { type CommitDraft, sealSync, signCommit } from "../../src/sim/commit.ts";
import type { SimMessage } from "../../src/sim/message.ts";
import { varint } from "./mutate.ts";
import { type Changes, POST, seal } from "./seal.ts";

/** Those reasons for a broken commit for which only a strict relay drops it (rulebook 2.6.1). */
export const STRICT_ONLY: ReadonlySet<BrokenCommitReason> = new Set([
	"op-malformed",
	"op-duplicate-path",
	"record-missing",
	"record-too-large",
	"mst-malformed",
	"mst-partial",
	"op-tree-mismatch",
	"prev-data-missing",
	"prev-data-mismatch",
	"too-big-flag",
	"rebase-flag",
	"time-syntax",
]);

/** The CAR with `version` before `roots` in its header. */
export function withVersionFirst(car: Uint8Array): Uint8Array {
	const header = car.subarray(1, 1 + (car[0] ?? 0));
	const roots = header.subarray(1, header.length - 9);
	const version = header.subarray(header.length - 9);
	return Buffer.concat([car.subarray(0, 1), header.subarray(0, 1), version, roots, car.subarray(1 + header.length)]);
}

/** Adds an op that creates a record, and the record's block. */
function addCreate({ ops, records }: CommitDraft, rkey: string): string {
	const bytes = encode({ text: rkey });
	const cid = cidOf(bytes);
	records.set(cid.$link, bytes);
	ops.push({ action: "create", path: `${POST}/${rkey}`, cid });
	return `${POST}/${rkey}`;
}

/** Gives a `#sync` a CAR of at least this many bytes, by adding a block that nothing needs. */
export async function longSync(account: SimAccount, bytesMin: number): Promise<SimMessage> {
	const { commit, time } = await account.draft([]);
	const signed = signCommit(commit, account.key);
	const message = await sealSync(commit, signed, time);
	const padding = encode("x".repeat(bytesMin));
	const blocks = new Map([
		[signed.cid.$link, signed.bytes],
		[cidOf(padding).$link, padding],
	]);
	message.body.blocks = toBytes(await encodeCar([signed.cid], blocks));
	return message;
}

/** Messages that only a strict relay drops, and the reason for it. The account must have records. */
export const LENIENT_CASES: Record<
	string,
	{ reason: RejectionReason; make: (account: SimAccount) => Promise<SimMessage> }
> = {
	"create and delete of one key": onDraft("op-duplicate-path", (draft) => {
		const path = addCreate(draft, "short-lived");
		draft.ops.push({ action: "delete", path, cid: null, prev: cidOfText("short-lived") });
	}),
	"a delete without cid": {
		reason: "op-malformed",
		make: (account) =>
			seal(account, {
				writes: [{ action: "delete", path: account.anyRecord()?.path ?? "" }],
				draft: ({ ops }) => ops.forEach((op) => void Reflect.deleteProperty(op, "cid")),
			}),
	},
	"a create without cid": onDraft("op-malformed", ({ ops }) =>
		ops.forEach((op) => void Object.assign(op, { cid: null })),
	),
	"a create with a prev": onDraft("op-malformed", ({ ops }) => {
		for (const op of ops) op.prev = cidOfText("prev");
	}),
	"a path that is none": onDraft("op-malformed", ({ ops }) => {
		for (const op of ops) op.path = "no-record";
	}),
	"a path of 5,000 bytes": onDraft("op-malformed", ({ ops }) => {
		for (const op of ops) op.path = `${POST}/${"x".repeat(5_000)}`;
	}),
	"a record in no block": onDraft("record-missing", ({ records }) => records.clear()),
	"a CAR header with version in front": {
		reason: "car-malformed",
		make: (account) => seal(account, { car: withVersionFirst }),
	},
	"a sync beyond 10,000 bytes": { reason: "blocks-too-large", make: (account) => longSync(account, 10_001) },
};

function onDraft(reason: RejectionReason, draft: NonNullable<Changes["draft"]>) {
	return { reason, make: (account: SimAccount) => seal(account, { draft }) };
}

/** The CAR in a message. */
export function carIn(message: SimMessage): Uint8Array {
	return fromBytes(message.body.blocks as Parameters<typeof fromBytes>[0]);
}

/** A section of a CAR. */
export function carSection(content: Uint8Array): Uint8Array {
	return Buffer.concat([varint(content.length), content]);
}
