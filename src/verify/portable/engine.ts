// verify/portable/: the engine in TypeScript, which is the reference. The engine in Rust is in native/.

import type { CommitMessage } from "../../protocol/kinds/commit.ts";
import type { SyncMessage } from "../../protocol/kinds/sync.ts";
import { COMMIT_BLOCKS_BYTES_MAX, COMMIT_OPS_MAX, SYNC_BLOCKS_BYTES_MAX } from "../../protocol/limits.ts";
import type { RejectionReason } from "../../protocol/reasons.ts";
import { Rejection } from "../../protocol/rejection.ts";
import { isDatetime } from "../../protocol/syntax.ts";
import type { Engine, SigningKey, Verdict } from "../engine.ts";
import { type Block, type Car, readCar } from "./car.ts";
import { listTouched } from "./collections.ts";
import { type Commit, checkCommitOwner, readCommit } from "./commit.ts";
import { type InvertibleOp, invertOps } from "./inversion.ts";
import { asBuffer, bytesOfLink, isBlessedLink, type Link, linkOfBytes } from "./link.ts";
import { EMPTY_TREE, linkOfTree } from "./mst.ts";
import { loadTree } from "./mst-load.ts";
import { type Op, readOps } from "./ops.ts";
import { checkRecords } from "./records.ts";
import { checkSignature } from "./signature.ts";

/** The engine in TypeScript. It runs anywhere, and is the reference for every other engine. */
export function createPortableEngine(): Engine {
	return { name: "portable", verifyCommit, verifySync };
}

function verifyCommit(frame: Uint8Array, message: CommitMessage, key: SigningKey): Verdict {
	const bytes = asBuffer(frame);
	return judge(
		() => checkCommit(bytes, message, key),
		(contents) => {
			contents.touched = checkTree(bytes, message, contents);
			// These come last, so that they are reported only if nothing before them is wrong.
			if (message.tooBig) throw new Rejection("too-big-flag");
			if (message.rebase) throw new Rejection("rebase-flag");
			checkTime(message.time);
		},
	);
}

function verifySync(frame: Uint8Array, message: SyncMessage, key: SigningKey): Verdict {
	return judge(
		() => checkSync(asBuffer(frame), message, key),
		() => checkTime(message.time),
	);
}

/** What the checks find in a message of either kind. */
interface Contents {
	readonly root: Link;
	readonly commit: Commit;
	/** The strict rule that reading the message found broken, or null. */
	readonly strictFault: RejectionReason | null;
	/** The list of the collections that it touches. Null until its tree is found sound. */
	touched: Uint8Array | null;
}

/** What the checks find in a `#commit`. */
interface CommitContents extends Contents {
	readonly blocks: Car["blocks"];
	readonly ops: readonly Op[];
}

/** Runs the checks that every relay makes and, if they pass, the strict ones, which a lenient relay only counts. */
function judge<T extends Contents>(check: () => T, checkStrictly: (contents: T) => void): Verdict {
	const contents = attempt(check);
	if (contents instanceof Rejection) {
		return { reason: contents.reason, strictOnly: false, commit: null, data: null, touched: null };
	}
	const { root, commit, strictFault } = contents;
	const reason = strictFault ?? attemptStrictly(() => checkStrictly(contents));
	return {
		reason,
		strictOnly: reason !== null,
		commit: bytesOfLink(root),
		data: bytesOfLink(commit.data),
		touched: contents.touched,
	};
}

function attemptStrictly(check: () => void): RejectionReason | null {
	const rejection = attempt(check);
	return rejection instanceof Rejection ? rejection.reason : null;
}

function attempt<T>(check: () => T): T | Rejection {
	try {
		return check();
	} catch (error) {
		if (error instanceof Rejection) return error;
		throw error;
	}
}

/** Checks 6 and 9 to 12 of table 2.6, in this order. */
function checkCommit(frame: Buffer, message: CommitMessage, key: SigningKey): CommitContents {
	checkBlocksLength(message);
	if (message.opsCount > COMMIT_OPS_MAX) throw new Rejection("ops-too-many", `${message.opsCount}`);
	const car = readCar(frame, message.blocksStart, message.blocksEnd);
	const { root, blocks } = car;
	if (root !== linkOfBytes(message.commit)) throw new Rejection("car-root-mismatch");
	const commit = checkSigned(frame, commitBlock(blocks, root), message, key);
	const ops = readOps(frame, message.opsStart, message.opsCount);
	const recordFault = checkRecords(frame, blocks, ops.sound);
	// If an op is not sound, the ops can't be undone. It is then a strict fault, and the tree is not checked.
	const strictFault = car.strictFault ?? ops.strictFault ?? recordFault;
	return { root, commit, blocks, ops: ops.sound, strictFault, touched: null };
}

/** Makes those of the checks 6 and 9 to 11 of table 2.6 that concern a `#sync`. */
function checkSync(frame: Buffer, message: SyncMessage, key: SigningKey): Contents {
	const length = checkBlocksLength(message);
	const { root, blocks, strictFault } = readCar(frame, message.blocksStart, message.blocksEnd);
	if (!isBlessedLink(root)) throw new Rejection("car-malformed", "the first root is not a link to a commit");
	const commit = checkSigned(frame, commitBlock(blocks, root), message, key);
	return {
		root,
		commit,
		strictFault: length > SYNC_BLOCKS_BYTES_MAX ? "blocks-too-large" : strictFault,
		touched: null,
	};
}

/** Checks the length of `blocks`, and returns it. A sync may be as long as a commit; its own limit is a strict rule. */
function checkBlocksLength({ blocksStart, blocksEnd }: CommitMessage | SyncMessage): number {
	const length = blocksEnd - blocksStart;
	if (length === 0) throw new Rejection("blocks-empty");
	if (length > COMMIT_BLOCKS_BYTES_MAX) throw new Rejection("blocks-too-large", `${length} bytes`);
	return length;
}

function commitBlock(blocks: Car["blocks"], root: Link): Block {
	const block = blocks.get(root);
	if (block === undefined) throw new Rejection("car-block-missing");
	return block;
}

function checkSigned(frame: Buffer, block: Block, message: CommitMessage | SyncMessage, key: SigningKey): Commit {
	const commit = readCommit(frame, block);
	checkCommitOwner(commit, message);
	checkSignature(commit.signature, commit.unsigned, key);
	return commit;
}

function checkTime(time: string): void {
	if (!isDatetime(time)) throw new Rejection("time-syntax");
}

/**
 * Check 13: the part of the tree that the commit carries is sound, and undoing its ops gives the tree before it.
 * @returns the list of the collections that the commit touches
 */
function checkTree(frame: Buffer, message: CommitMessage, { commit, blocks, ops }: CommitContents): Uint8Array {
	const tree = loadTree(frame, blocks, commit.data);
	// Before a repo's first commit the tree was empty (rulebook 2.6, notes).
	const isGenesis = message.prevData === null && message.since === null;
	if (message.prevData === null && !isGenesis) throw new Rejection("prev-data-missing");
	if (!ops.every(isInvertible)) throw new Rejection("prev-data-missing", "an update or delete has no prev");
	const expected = message.prevData === null ? EMPTY_TREE : linkOfBytes(message.prevData);
	const before = invertOps(tree, ops);
	if (linkOfTree(before) !== expected) throw new Rejection("prev-data-mismatch");
	return listTouched(ops, before, tree);
}

function isInvertible(op: Op): op is InvertibleOp {
	return op.action === "create" || op.prev !== null;
}
