import { toBase58Btc } from "@atcute/multibase";
import { p256 } from "@noble/curves/nist.js";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import type { Rng } from "./rng.ts";

export type SimCurve = "k256" | "p256";

const CURVES = { k256: secp256k1, p256 };
const MULTIKEY_PREFIXES = { k256: [0xe7, 0x01], p256: [0x80, 0x24] };
const DID_PLC_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567";

/** A repo's signing key (rulebook 3). */
export class SimKey {
	readonly curve: SimCurve;
	/** Compressed point, 33 bytes. */
	readonly publicKey: Uint8Array;
	readonly #secretKey: Uint8Array;

	constructor(curve: SimCurve, rng: Rng) {
		this.curve = curve;
		let secretKey = rng.bytes(32);
		while (!CURVES[curve].utils.isValidSecretKey(secretKey)) secretKey = rng.bytes(32);
		this.#secretKey = secretKey;
		this.publicKey = CURVES[curve].getPublicKey(secretKey, true);
	}

	/** The public key as a DID document's `publicKeyMultibase`. */
	get multibase(): string {
		return `z${toBase58Btc(Uint8Array.from([...MULTIKEY_PREFIXES[this.curve], ...this.publicKey]))}`;
	}

	get didKey(): string {
		return `did:key:${this.multibase}`;
	}

	/** Signs the SHA-256 of `bytes`: 64 bytes r and s, low-S, the same each time. */
	sign(bytes: Uint8Array): Uint8Array {
		return CURVES[this.curve].sign(bytes, this.#secretKey, { lowS: true, prehash: true });
	}

	/** The equivalent of a signature with s above half of the curve's order. It is valid apart from that. */
	withHighS(signature: Uint8Array): Uint8Array {
		const { Signature, Point } = CURVES[this.curve];
		const { r, s } = Signature.fromBytes(signature);
		return new Signature(r, Point.Fn.ORDER - s).toBytes();
	}
}

/** A new did:plc identifier, which no directory has yet. */
export function makeDidPlc(rng: Rng): string {
	return `did:plc:${rng.text(24, DID_PLC_ALPHABET)}`;
}
