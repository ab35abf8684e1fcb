/** The exports of `native/addon`. */
export interface NativeAddon {
	LAYOUT_VERSION: number;
	RESULT_BYTES: number;
	/** The names of the reasons in the order of their codes, from code 1 on. */
	reasonNames(): string[];
	Verifier: new (keyCacheBytesMax: number) => NativeVerifier;
	Floor: new () => NativeFloor;
}

/** Verifies messages one after the other, for one thread. */
export interface NativeVerifier {
	/** Writes the result to `result` (layout: `native.ts`), and returns its first byte, the code. */
	verify(frame: Uint8Array, publicKey: Uint8Array, isP256: boolean, result: Uint8Array): number;
	/** Returns the code of the reason for which a message's signature is refused, or 0 if it is valid. */
	checkSignature(message: Uint8Array, signature: Uint8Array, publicKey: Uint8Array, isP256: boolean): number;
	/**
	 * For test vectors: undoes ops. `bytes` are a CAR, the root of the tree after the ops, and the ops. Returns the binary CID of
	 * the root before the ops, followed by the list of the collections that they touch. If they can't be undone, returns one byte:
	 * the code of the reason, or of a panic.
	 */
	invert(bytes: Uint8Array, carLength: number, opsCount: number): Uint8Array;
}

/** A lower bound of the time to verify: checks only the signatures and hashes of some messages. For the bench. */
export interface NativeFloor {
	add(frame: Uint8Array, publicKey: Uint8Array, isP256: boolean): void;
	/** Returns how many signatures are valid. */
	run(): number;
}

/**
 * Loads the addon that `make native` builds. It is embedded in the compiled binary; the runtime writes it to the temporary folder
 * and loads it from there.
 *
 * @throws Error if it can't be loaded; the message says why in one line
 */
export function loadAddon(): NativeAddon {
	try {
		// A `require` and not an import: it may find no file, both here and when a binary is built without the addon.
		return require("../../native/standpipe.node") as NativeAddon;
	} catch (error) {
		throw new Error(`the addon can't be loaded: ${firstLine(error)}`, { cause: error });
	}
}

function firstLine(error: unknown): string {
	const message = error instanceof Error ? error.message : String(error);
	return message.split("\n", 1)[0] ?? "";
}
