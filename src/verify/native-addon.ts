/** What `native/addon` exports. */
export interface NativeAddon {
	LAYOUT_VERSION: number;
	RESULT_BYTES: number;
	/** The first has code 1. */
	reasonNames(): string[];
	Verifier: new (keyCacheBytesMax: number) => NativeVerifier;
	Floor: new () => NativeFloor;
}

/** Verifies messages one after the other, for one thread. */
export interface NativeVerifier {
	/** Writes the result and returns its first byte, the code. */
	verify(frame: Uint8Array, publicKey: Uint8Array, isP256: boolean, result: Uint8Array): number;
	/** For test vectors: returns the code of the reason for which a signature over a message is refused, or 0. */
	checkSignature(message: Uint8Array, signature: Uint8Array, publicKey: Uint8Array, isP256: boolean): number;
	/**
	 * For test vectors: undoes ops. `bytes` are a CAR, the root of the tree after the ops, and the ops. Returns the binary CID
	 * of the root before them and after it the list of the collections that they touch, or one byte, the code of the reason for
	 * which they can't be undone or of a panic.
	 */
	invert(bytes: Uint8Array, carLength: number, opsCount: number): Uint8Array;
}

/** What verification can't be faster than: the signatures and hashes of some messages, nothing else. For the bench. */
export interface NativeFloor {
	add(frame: Uint8Array, publicKey: Uint8Array, isP256: boolean): void;
	/** Returns how many signatures are valid. */
	run(): number;
}

/**
 * Loads the addon that `make native` builds. In the compiled binary it is embedded, and the runtime writes it into the
 * temporary folder to load it.
 *
 * @throws Error saying in one line why it can't be loaded
 */
export function loadAddon(): NativeAddon {
	try {
		// Not an import: only a `require` may fail to be found, both here and when the binary is built without the addon.
		return require("../../native/standpipe.node") as NativeAddon;
	} catch (error) {
		throw new Error(`the addon can't be loaded: ${firstLine(error)}`, { cause: error });
	}
}

function firstLine(error: unknown): string {
	const message = error instanceof Error ? error.message : String(error);
	return message.split("\n", 1)[0] ?? "";
}
