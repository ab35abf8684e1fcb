import { encode } from "@atcute/cbor";
import { toBase32 } from "@atcute/multibase";
import { cidOf } from "../plc/operation.ts";
import { type SimCurve, SimKey } from "./keys.ts";
import type { Rng } from "./rng.ts";

/** An operation of did:plc as JSON has it, signed or not. */
export type PlcOperation = Record<string, unknown>;

/** A line of the directory's export, as far as the order of operations goes. */
export interface PlcStep {
	operation: PlcOperation;
	createdAtMs: number;
}

export const PLC_START_MS = Date.parse("2024-03-01T00:00:00.000Z");

export function newKey(rng: Rng, curve: SimCurve = rng.int(4) === 0 ? "p256" : "k256"): SimKey {
	return new SimKey(curve, rng);
}

/** Signs an operation: the bytes without `sig`. */
export function sign(unsigned: PlcOperation, key: SimKey): PlcOperation {
	return { ...unsigned, sig: Buffer.from(key.sign(encode(unsigned))).toString("base64url") };
}

export function digestOf(operation: PlcOperation): Uint8Array {
	return new Uint8Array(new Bun.CryptoHasher("sha256").update(encode(operation)).digest());
}

export function cidOfOperation(operation: PlcOperation): string {
	return cidOf(digestOf(operation));
}

export function didOfOperation(operation: PlcOperation): string {
	return `did:plc:${toBase32(digestOf(operation)).slice(0, 24)}`;
}

/** What an unsigned operation of the present form says. */
export interface PlcParts {
	rotationKeys: readonly SimKey[];
	signingKey: SimKey;
	pds: string;
	handle?: string;
	prev: string | null;
}

export function unsignedUpdate({ rotationKeys, signingKey, pds, handle = "alice.test", prev }: PlcParts): PlcOperation {
	return {
		type: "plc_operation",
		rotationKeys: rotationKeys.map(({ didKey }) => didKey),
		verificationMethods: { atproto: signingKey.didKey },
		alsoKnownAs: [`at://${handle}`],
		services: { atproto_pds: { type: "AtprotoPersonalDataServer", endpoint: pds } },
		prev,
	};
}

export function unsignedTombstone(prev: string): PlcOperation {
	return { type: "plc_tombstone", prev };
}

export function unsignedLegacy(parts: { signingKey: SimKey; recoveryKey: SimKey; service: string }): PlcOperation {
	const { signingKey, recoveryKey, service } = parts;
	return {
		type: "create",
		signingKey: signingKey.didKey,
		recoveryKey: recoveryKey.didKey,
		handle: "legacy.test",
		service,
		prev: null,
	};
}
