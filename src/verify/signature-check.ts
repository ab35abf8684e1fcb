import type { EngineChoice } from "../config/bounds.ts";
import { Rejection } from "../protocol/rejection.ts";
import type { SigningKey } from "./engine.ts";
import { createNativeEngine } from "./native.ts";
import { loadAddon } from "./native-addon.ts";
import { createPortableEngine } from "./portable/engine.ts";
import { checkSignature } from "./portable/signature.ts";

/**
 * Whether a signature of 64 bytes, r and s, is one of `key` over the SHA-256 of `message`. A high s, or a number outside the curve's
 * order, is none (rulebook 3).
 */
export type SignatureCheck = (message: Uint8Array, signature: Uint8Array, key: SigningKey) => boolean;

/** Memory for parsed public keys. */
const KEY_CACHE_BYTES_MAX = 4 * 1024 * 1024;

/** The check in TypeScript. */
export const portableSignatureCheck: SignatureCheck = (message, signature, key) => {
	try {
		checkSignature(signature, message, key);
		return true;
	} catch (error) {
		if (error instanceof Rejection) return false;
		throw error;
	}
};

/**
 * Makes a check for signatures that are not of commits, for one thread. It uses the same code as the engine of this choice.
 * @throws Error if the choice is `native` and it does not work here
 */
export function selectSignatureCheck(choice: EngineChoice): SignatureCheck {
	if (choice === "portable") return portableSignatureCheck;
	try {
		return createNativeSignatureCheck();
	} catch (error) {
		if (choice === "native") throw error;
		return portableSignatureCheck;
	}
}

function createNativeSignatureCheck(): SignatureCheck {
	// For its self-test, which has signatures of both curves.
	createNativeEngine({ reference: createPortableEngine(), onPanic: () => undefined });
	const verifier = new (loadAddon().Verifier)(KEY_CACHE_BYTES_MAX);
	return (message, signature, { publicKey, curve }) =>
		verifier.checkSignature(message, signature, publicKey, curve === "p256") === 0;
}
