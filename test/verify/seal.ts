import { encode, toBytes } from "@atcute/cbor";
import type { CidLink } from "@atcute/cid";
import { scanFrame } from "../../src/protocol/frame.ts";
import { SimAccount } from "../../src/sim/account.ts";
import { type Blocks, cidOf, encodeCar } from "../../src/sim/blocks.ts";
import { SimClock } from "../../src/sim/clock.ts";
import { type CommitDraft, commitMessage, draftBlocks, type SimWrite } from "../../src/sim/commit.ts";
import type { SimCurve, SimKey } from "../../src/sim/keys.ts";
import { encodeFrame, type SimMessage, type SimPayload } from "../../src/sim/message.ts";
import { Rng } from "../../src/sim/rng.ts";
import type { Verdict } from "../../src/verify/engine.ts";
import { createPortableEngine } from "../../src/verify/portable/engine.ts";

const FIXED_MS = Date.UTC(2026, 0, 1);

export const engine = createPortableEngine();

export function makeAccount(seed: string, records: number, curve: SimCurve = "k256"): Promise<SimAccount> {
	return SimAccount.create({ rng: new Rng(seed), clock: new SimClock(() => FIXED_MS), curve, records });
}

/** The portable engine's verdict on a message, which is encoded as a frame and scanned first. */
export function judge(message: SimMessage, key: SimKey): Verdict {
	const frame = encodeFrame(message, 1);
	const scanned = scanFrame(frame);
	if (scanned.kind !== "message") throw new Error(`scanned as ${scanned.kind}`);
	if (scanned.message.type === "commit") return engine.verifyCommit(frame, scanned.message, key);
	if (scanned.message.type === "sync") return engine.verifySync(frame, scanned.message, key);
	throw new Error(`no engine judges an #${scanned.message.type}`);
}

/** The steps from the writes to the message at which a test can change a commit. */
export interface Changes {
	writes?: SimWrite[];
	draft?: (draft: CommitDraft) => void;
	/** The commit object that is signed. */
	object?: (commit: Record<string, unknown>) => Record<string, unknown>;
	signature?: (signature: Uint8Array) => unknown;
	/** The bytes of the signed commit block. */
	block?: (bytes: Uint8Array) => Uint8Array;
	blocks?: (blocks: Blocks) => void;
	roots?: (commit: CidLink) => CidLink[];
	car?: (car: Uint8Array) => Uint8Array;
	body?: (body: SimPayload) => void;
}

/** Makes the account's next commit with some changes, without applying it. */
export async function seal(account: SimAccount, changes: Changes = {}): Promise<SimMessage> {
	const draft = await account.draft(changes.writes ?? [account.newRecord()]);
	changes.draft?.(draft);
	const object = changes.object?.({ ...draft.commit }) ?? { ...draft.commit };
	const signature = account.key.sign(encode(object));
	const sig = changes.signature === undefined ? toBytes(signature) : changes.signature(signature);
	const signed = encode({ ...object, sig });
	const bytes = Uint8Array.from(changes.block?.(signed) ?? signed);
	const commit = { cid: cidOf(bytes), bytes };
	const blocks = draftBlocks(draft, commit);
	changes.blocks?.(blocks);
	const car = await encodeCar(changes.roots?.(commit.cid) ?? [commit.cid], blocks);
	const message = commitMessage(draft, commit, changes.car?.(car) ?? car);
	changes.body?.(message.body);
	return message;
}

/** The reason for which the engine rejects the account's next commit with some changes; null if it accepts it. */
export async function reasonOf(account: SimAccount, changes: Changes): Promise<string | null> {
	return judge(await seal(account, changes), account.key).reason;
}

/** A collection's NSID. */
export const POST = "app.bsky.feed.post";

/** A write that creates a post. */
export function create(rkey: string, record: Record<string, unknown> = { text: "hello" }): SimWrite {
	return { action: "create", path: `${POST}/${rkey}`, record };
}

/** The path of one of the account's records. */
export function existing(account: SimAccount): string {
	const record = account.anyRecord();
	if (record === null) throw new Error("the account has no record");
	return record.path;
}

/** A link with the codec of raw bytes. */
export function rawLink(): { $link: string } {
	return { $link: "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku" };
}

/** Lists nested in lists, as bytes that end before the innermost list does. */
export function nested(depth: number): Uint8Array {
	return new Uint8Array(depth).fill(0x81);
}

/** A number inside this many nested lists. */
export function nestedValue(depth: number): unknown {
	return depth === 0 ? 0 : [nestedValue(depth - 1)];
}
