import { accept, type DidState } from "../../src/plc/chain.ts";
import { readOperation } from "../../src/plc/operation.ts";
import { Refusal, type RefusalReason } from "../../src/plc/refusal.ts";
import { RotationKeys } from "../../src/plc/rotation-keys.ts";
import type { SimKey } from "../../src/sim/keys.ts";
import {
	cidOfOperation,
	didOfOperation,
	newKey,
	PLC_START_MS,
	type PlcOperation,
	type PlcStep,
	sign,
	unsignedLegacy,
	unsignedTombstone,
	unsignedUpdate,
} from "../../src/sim/plc-operation.ts";
import type { Rng } from "../../src/sim/rng.ts";
import { portableSignatureCheck } from "../../src/verify/signature-check.ts";
import type { History } from "./oracle.ts";

const HOUR_MS = 3_600_000;

export const keys = new RotationKeys(portableSignatureCheck);

/** The state after an operation, or the reason for which it is refused. */
export function step(
	did: string,
	state: DidState | null,
	{ operation, createdAtMs }: PlcStep,
): DidState | RefusalReason {
	try {
		return accept(did, state, readOperation(operation), createdAtMs, keys);
	} catch (error) {
		if (error instanceof Refusal) return error.reason;
		throw error;
	}
}

/** Plays a history. What is refused changes nothing. */
export function play({ did, steps }: History): { state: DidState | null; outcomes: (RefusalReason | "accepted")[] } {
	let state: DidState | null = null;
	const outcomes = steps.map((one) => {
		const next = step(did, state, one);
		if (typeof next === "string") return next;
		state = next;
		return "accepted" as const;
	});
	return { state, outcomes };
}

/** An operation of a generated history, with the keys that may sign what follows it. */
interface Made {
	cid: string;
	keys: readonly SimKey[];
}

/**
 * A history of a DID as owners, thieves and mistakes make it: updates, rotations, forks in time and too late, by stronger and
 * weaker keys, tombstones, operations that follow what was replaced, strangers' signatures, and damage.
 */
export function randomHistory(rng: Rng, pool: readonly SimKey[], length: number): History {
	const [first, firstKeys] = firstOperation(rng, pool);
	const did = rng.int(30) === 0 ? "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa" : didOfOperation(first);
	const made: Made[] = [{ cid: cidOfOperation(first), keys: firstKeys }];
	const steps: PlcStep[] = [{ operation: first, createdAtMs: PLC_START_MS }];
	let nowMs = PLC_START_MS;
	for (let at = 1; at < length; at++) {
		nowMs += gapMs(rng);
		const [operation, rotationKeys] = nextOperation(rng, pool, made);
		steps.push({ operation: damaged(rng, operation), createdAtMs: nowMs });
		made.push({ cid: cidOfOperation(operation), keys: rotationKeys });
	}
	return { did, steps };
}

function firstOperation(rng: Rng, pool: readonly SimKey[]): [PlcOperation, readonly SimKey[]] {
	if (rng.int(4) === 0) {
		const [signingKey, recoveryKey] = [rng.pick(pool), rng.pick(pool)];
		const unsigned = unsignedLegacy({ signingKey, recoveryKey, service: rng.pick(["pds.test", "https://pds.test"]) });
		return [sign(unsigned, rng.pick([signingKey, recoveryKey, rng.pick(pool)])), [recoveryKey, signingKey]];
	}
	return updateOf(rng, pool, null, []);
}

function nextOperation(rng: Rng, pool: readonly SimKey[], made: readonly Made[]): [PlcOperation, readonly SimKey[]] {
	const recent = made.slice(-4);
	const prev = rng.int(3) > 0 ? recent.at(-1) : rng.pick(recent);
	if (prev === undefined) throw new RangeError("there is no operation yet");
	if (rng.int(10) === 0) return [sign(unsignedTombstone(prev.cid), signerFor(rng, pool, prev.keys)), []];
	return updateOf(rng, pool, rng.int(25) === 0 ? null : prev.cid, prev.keys);
}

function updateOf(
	rng: Rng,
	pool: readonly SimKey[],
	prev: string | null,
	before: readonly SimKey[],
): [PlcOperation, readonly SimKey[]] {
	const rotationKeys = Array.from({ length: 1 + rng.int(4) }, () => rng.pick(pool));
	const pds = `https://pds${rng.int(100)}.test`;
	const good = unsignedUpdate({ rotationKeys, signingKey: rng.pick(pool), pds, prev });
	const unreadable = [...rotationKeys.map(({ didKey }) => didKey), "did:key:zNothing"];
	const unsigned = rng.int(25) === 0 ? { ...good, rotationKeys: unreadable } : good;
	return [sign(unsigned, signerFor(rng, pool, prev === null ? rotationKeys : before)), rotationKeys];
}

function signerFor(rng: Rng, pool: readonly SimKey[], allowed: readonly SimKey[]): SimKey {
	return allowed.length === 0 || rng.int(12) === 0 ? rng.pick(pool) : rng.pick(allowed);
}

/** From a millisecond to days; sometimes such that two or three of them make 72 hours exactly, or a millisecond more. */
function gapMs(rng: Rng): number {
	const exact = [36 * HOUR_MS, 72 * HOUR_MS, 72 * HOUR_MS + 1, 24 * HOUR_MS];
	return rng.int(3) === 0 ? rng.pick(exact) : 1 + rng.int(rng.pick([1_000, HOUR_MS, 30 * HOUR_MS]));
}

function damaged(rng: Rng, operation: PlcOperation): PlcOperation {
	switch (rng.int(40)) {
		case 0:
			return { ...operation, extra: "field" };
		case 1:
			return { ...operation, sig: flipped(rng, String(operation["sig"])) };
		case 2:
			return { ...operation, alsoKnownAs: ["at://other.test"] };
		default:
			return operation;
	}
}

function flipped(rng: Rng, text: string): string {
	const bytes = Buffer.from(text, "base64url");
	const at = rng.int(bytes.length);
	bytes[at] = (bytes[at] ?? 0) ^ (1 << rng.int(8));
	return bytes.toString("base64url");
}

export function keyPool(rng: Rng): SimKey[] {
	return Array.from({ length: 6 }, () => newKey(rng));
}
