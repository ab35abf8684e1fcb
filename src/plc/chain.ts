// plc/: a mirror of the PLC directory: checks the operations of each did:plc and keeps its last state. It decides nothing about accounts.

import type { OperationData } from "../identity/mirror.ts";
import type { Operation } from "./operation.ts";
import { Refusal } from "./refusal.ts";
import type { RotationKeys } from "./rotation-keys.ts";

const HOUR_MS = 3_600_000;
/** For so long after an operation a key of higher priority than the one that signed it may replace it. */
export const RECOVERY_MS = 72 * HOUR_MS;
/** Operations kept per DID. A directory accepts some hundred a week; beyond that the oldest ones can no longer be replaced. */
export const CHAIN_LINKS_MAX = 128;

/** What is kept of an operation, so that operations after it can be checked. */
export interface Link {
	readonly cid: string;
	/** When the directory accepted it, in milliseconds since 1970. */
	readonly createdAtMs: number;
	/** Which of the previous operation's rotation keys signed it: the first whose signature it is. 0 for a first operation. */
	readonly signer: number;
	/** By falling priority. Empty for a tombstone. */
	readonly rotationKeys: readonly string[];
}

/** The state of a did:plc. */
export interface DidState {
	readonly did: string;
	/** What the last operation says. */
	readonly data: OperationData;
	/** The last operation, and before it those that a fork could still go back to, the oldest first. Not empty. */
	readonly chain: readonly Link[];
	/** Whether lines about the DID were refused since the last one was accepted: the mirror does not answer for it then. */
	readonly isDoubtful: boolean;
}

/**
 * Adds an operation to the state of a DID, by the rules of did:plc. The order of calls is that in which the directory accepted
 * the operations. Which of them the directory calls nullified does not matter, since the operations themselves tell.
 *
 * @param state null before the first operation
 * @param createdAtMs when the directory says that it accepted the operation
 * @throws Refusal if the operation breaks a rule; the state stays as it is
 */
export function accept(
	did: string,
	state: DidState | null,
	operation: Operation,
	createdAtMs: number,
	keys: RotationKeys,
): DidState {
	const before = state === null ? [] : chainBefore(state.chain, operation, createdAtMs);
	const signer = state === null ? firstSigner(did, operation, keys) : nextSigner(state.chain, before, operation, keys);
	const { cid, rotationKeys, data } = operation;
	// A key that can't be read would make it unclear later who may sign.
	for (const key of rotationKeys) keys.read(key);
	const chain = [...before, { cid, createdAtMs, signer, rotationKeys }];
	return { did, data, chain: withoutFixed(chain, createdAtMs), isDoubtful: false };
}

function firstSigner(did: string, operation: Operation, keys: RotationKeys): number {
	if (operation.prev !== null) throw new Refusal("prev-unknown", "no operation of this DID is known");
	if (operation.did !== did) throw new Refusal("did-mismatch", `it is the first operation of ${operation.did}`);
	return keys.signerOf(operation, operation.rotationKeys);
}

/** The operations that stay, of a DID that has some: those up to the one that the new operation follows. */
function chainBefore(chain: readonly Link[], { cid, prev }: Operation, createdAtMs: number): readonly Link[] {
	const last = chain.at(-1);
	if (last === undefined) throw new RangeError("a DID's state has no operation");
	if (chain.some((link) => link.cid === cid)) throw new Refusal("repeated");
	// The directory orders the operations of a DID by time.
	if (createdAtMs < last.createdAtMs) throw new Refusal("outdated");
	const at = chain.findIndex((link) => link.cid === prev);
	if (at < 0) throw new Refusal("prev-unknown");
	const disputed = chain[at + 1];
	if (disputed === undefined) return chain;
	if (createdAtMs === last.createdAtMs) throw new Refusal("outdated", "a fork that is not later than what it replaces");
	const lateMs = createdAtMs - disputed.createdAtMs;
	if (lateMs > RECOVERY_MS) throw new Refusal("fork-too-late", `${Math.floor(lateMs / HOUR_MS)} hours`);
	return chain.slice(0, at + 1);
}

/**
 * Which key of the operation before signed the new one. A fork has to be signed by a key of higher priority than the first
 * operation that it replaces.
 */
function nextSigner(chain: readonly Link[], before: readonly Link[], operation: Operation, keys: RotationKeys): number {
	const prev = before.at(-1);
	if (prev === undefined) throw new RangeError("the operation follows none");
	const disputed = chain[before.length];
	// A tombstone, or an operation that left nobody who may sign.
	if (prev.rotationKeys.length === 0) throw new Refusal("prev-final");
	const signer = keys.signerOf(operation, prev.rotationKeys);
	if (disputed !== undefined && signer >= disputed.signer)
		throw new Refusal("fork-by-weaker-key", `key ${signer}, not above ${disputed.signer}`);
	return signer;
}

/** Leaves out operations that no fork can go back to any more. */
function withoutFixed(chain: readonly Link[], nowMs: number): readonly Link[] {
	const firstOpen = chain.findIndex((_, at) => {
		const next = chain[at + 1];
		return next === undefined || nowMs - next.createdAtMs <= RECOVERY_MS;
	});
	return chain.slice(Math.max(firstOpen, chain.length - CHAIN_LINKS_MAX));
}
