import { p256 } from "@noble/curves/nist.js";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { Rejection } from "../../protocol/rejection.ts";
import type { SigningKey } from "../engine.ts";
import { sha256 } from "./digest.ts";

const SIGNATURE_BYTES = 64;
const SCALAR_BYTES = 32;

const CURVES = {
	k256: { curve: secp256k1, ...bounds(secp256k1.Point.Fn.ORDER) },
	p256: { curve: p256, ...bounds(p256.Point.Fn.ORDER) },
};

/**
 * Checks an ECDSA signature over the SHA-256 of `unsigned` (rulebook 3): 64 bytes of r and s, both within [1, n-1], with s not
 * above n/2 on either curve.
 *
 * @throws Rejection `signature-encoding`, `signature-high-s` or `signature-invalid`
 */
export function checkSignature(signature: Uint8Array, unsigned: Uint8Array, key: SigningKey): void {
	const { curve, order, halfOrder } = CURVES[key.curve];
	if (signature.length !== SIGNATURE_BYTES) {
		throw new Rejection("signature-encoding", `${signature.length} bytes`);
	}
	const r = signature.subarray(0, SCALAR_BYTES);
	const s = signature.subarray(SCALAR_BYTES);
	if (!isScalar(r, order) || !isScalar(s, order)) throw new Rejection("signature-encoding", "r or s out of range");
	if (Buffer.compare(s, halfOrder) > 0) throw new Rejection("signature-high-s");
	// By default the library would hash once more, and would not tell a high s from a wrong signature.
	const options = { prehash: false, lowS: false, format: "compact" } as const;
	if (!curve.verify(signature, sha256(unsigned), key.publicKey, options)) throw new Rejection("signature-invalid");
}

function isScalar(bytes: Uint8Array, order: Uint8Array): boolean {
	return bytes.some((byte) => byte !== 0) && Buffer.compare(bytes, order) < 0;
}

/** The curve's order n, and n/2 rounded down, both encoded as in a signature. */
function bounds(order: bigint): { order: Uint8Array; halfOrder: Uint8Array } {
	return { order: encodeScalar(order), halfOrder: encodeScalar(order >> 1n) };
}

function encodeScalar(scalar: bigint): Uint8Array {
	return Buffer.from(scalar.toString(16).padStart(2 * SCALAR_BYTES, "0"), "hex");
}
