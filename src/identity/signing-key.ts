import {
	type FoundPublicKey,
	getPublicKeyFromDidController,
	P256_PUBLIC_PREFIX,
	parseDidKey,
	SECP256K1_PUBLIC_PREFIX,
} from "@atcute/crypto";
import { toBase58Btc } from "@atcute/multibase";
import { p256 } from "@noble/curves/nist.js";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import type { SigningKey } from "../verify/engine.ts";

/** A key is of a type, an encoding or a length that rulebook 3 does not allow, or not a point of its curve. */
export class SigningKeyError extends Error {
	override readonly name = "SigningKeyError";
}

/** Base58 of the longest key has 91 characters. The time to decode grows with the square of the length. */
const MULTIBASE_CHARS_MAX = 128;
const COMPRESSED_BYTES = 33;
const UNCOMPRESSED_BYTES = 65;

/**
 * Reads the key of a verification method: a Multikey, or one of the two legacy types, whose raw point may be compressed or not
 * (rulebook 3). Throws `SigningKeyError`.
 */
export function signingKeyOfMethod(type: string, publicKeyMultibase: string): SigningKey {
	if (publicKeyMultibase.length > MULTIBASE_CHARS_MAX) throw new SigningKeyError("the key is too long");
	const found = decoded(() => getPublicKeyFromDidController({ type, publicKeyMultibase }));
	const length = found.publicKeyBytes.length;
	if (length !== COMPRESSED_BYTES && (type === "Multikey" || length !== UNCOMPRESSED_BYTES)) {
		throw new SigningKeyError(`a ${type} can't have a point of ${length} bytes`);
	}
	return checkedKey(found);
}

/** Reads a did:key, the form in which the index keeps keys. Throws `SigningKeyError`. */
export function signingKeyOfDidKey(didKey: string): SigningKey {
	if (didKey.length > MULTIBASE_CHARS_MAX) throw new SigningKeyError("the key is too long");
	const found = decoded(() => parseDidKey(didKey));
	if (found.publicKeyBytes.length !== COMPRESSED_BYTES) throw new SigningKeyError("the key is not 33 bytes long");
	return checkedKey(found);
}

/** The did:key of a key. */
export function didKeyOf(key: SigningKey): string {
	const prefix = key.curve === "p256" ? P256_PUBLIC_PREFIX : SECP256K1_PUBLIC_PREFIX;
	// The encoder adds one character after the other. Unless somebody reads its result, it stays a chain of fifty strings, which take 1.6 kB
	// of a cached identity. Written as bytes and read back, it is one string.
	return Buffer.from(`did:key:z${toBase58Btc(Buffer.concat([prefix, key.publicKey]))}`, "latin1").toString("latin1");
}

function decoded(decode: () => FoundPublicKey): FoundPublicKey {
	try {
		return decode();
	} catch (error) {
		throw new SigningKeyError("the key's type or encoding is not supported", { cause: error });
	}
}

function checkedKey(found: FoundPublicKey): SigningKey {
	const curve = found.type === "p256" ? "p256" : "k256";
	const points = curve === "p256" ? p256.Point : secp256k1.Point;
	try {
		return { curve, publicKey: points.fromBytes(found.publicKeyBytes).toBytes(true) };
	} catch (error) {
		throw new SigningKeyError(`the key is not a point of ${curve}`, { cause: error });
	}
}
