import { SigningKeyError, signingKeyOfDidKey } from "../identity/signing-key.ts";
import { RecentMap } from "../runtime/recent-map.ts";
import type { SigningKey } from "../verify/engine.ts";
import type { SignatureCheck } from "../verify/signature-check.ts";
import type { Operation } from "./operation.ts";
import { Refusal } from "./refusal.ts";

/** Keys that are kept parsed, at some 300 bytes each. Most accounts of a PDS share their rotation keys. */
const KEYS_MAX = 10_000;

/** Reads rotation keys and checks signatures by them. Keys that were read lately are kept, since to read one takes long. */
export class RotationKeys {
	readonly #check: SignatureCheck;
	readonly #keys = new RecentMap<string, SigningKey>({ entriesMax: KEYS_MAX });

	constructor(check: SignatureCheck) {
		this.#check = check;
	}

	/**
	 * Reads a rotation key: a did:key of one of the two curves.
	 * @throws Refusal
	 */
	read(didKey: string): SigningKey {
		const known = this.#keys.get(didKey);
		if (known !== undefined) return known;
		try {
			const key = signingKeyOfDidKey(didKey);
			this.#keys.set(didKey, key);
			return key;
		} catch (error) {
			if (error instanceof SigningKeyError) throw new Refusal("rotation-key", error.message);
			throw error;
		}
	}

	/**
	 * The index of the first of the keys that signed the operation.
	 * @throws Refusal if none did
	 */
	signerOf({ unsigned, signature }: Operation, keys: readonly string[]): number {
		const signer = keys.findIndex((key) => this.#check(unsigned, signature, this.read(key)));
		if (signer < 0) throw new Refusal("signature-invalid");
		return signer;
	}
}
