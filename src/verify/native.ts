import type { CommitMessage } from "../protocol/kinds/commit.ts";
import type { SyncMessage } from "../protocol/kinds/sync.ts";
import { CID_BYTES } from "../protocol/limits.ts";
import { REJECTION_REASON_NAMES, type RejectionReason } from "../protocol/reasons.ts";
import type { Engine, SigningKey, Verdict } from "./engine.ts";
import { loadAddon, type NativeAddon, type NativeVerifier } from "./native-addon.ts";
import { selfTest } from "./self-test.ts";

/** Memory for a thread's cache of parsed public keys. Enough for some 80,000 keys of secp256k1. */
const KEY_CACHE_BYTES_MAX = 16 * 1024 * 1024;

/** The layout of the result that `native/addon/src/result.rs` writes. Numbers are little-endian. */
const LAYOUT_VERSION = 3;
const FLAGS_AT = 1;
const COMMIT_AT = 4;
const DATA_AT = 40;
const TOUCHED_LENGTH_AT = 76;
const TOUCHED_AT = 80;

const HAS_CONTENTS = 1;

/** Codes other than those of the reasons, which count from 1. */
const CODE_GOOD = 0;
const CODE_OTHER_MESSAGE = 254;
const CODE_PANIC = 255;

export interface NativeEngineOptions {
	/** Judges a message on which the native code failed. Its verdicts are the same. */
	reference: Engine;
	/** Called for each such failure. It is a bug of the native code, which has printed the place. */
	onPanic: () => void;
}

/**
 * The engine in Rust, from `native/`. It scans the frame again by itself, which costs less than passing the scanned message to it.
 * On every input it gives the same verdict as the portable engine.
 */
export class NativeEngine implements Engine {
	readonly name = "native";
	readonly #verifier: NativeVerifier;
	readonly #reasons: readonly (RejectionReason | null)[];
	readonly #options: NativeEngineOptions;
	/** Each call writes its result here, so that a call makes no objects but the verdict. */
	readonly #result: Uint8Array;
	readonly #view: DataView;

	/** @throws Error if the addon's layout or reasons are not those of this build */
	constructor(addon: NativeAddon, options: NativeEngineOptions) {
		if (addon.LAYOUT_VERSION !== LAYOUT_VERSION) {
			throw new Error(`the addon writes results of version ${addon.LAYOUT_VERSION}, not ${LAYOUT_VERSION}`);
		}
		this.#reasons = [null, ...addon.reasonNames().map(knownReason)];
		this.#verifier = new addon.Verifier(KEY_CACHE_BYTES_MAX);
		this.#options = options;
		this.#result = new Uint8Array(addon.RESULT_BYTES);
		this.#view = new DataView(this.#result.buffer);
	}

	verifyCommit(frame: Uint8Array, message: CommitMessage, key: SigningKey): Verdict {
		return present(this.judge(frame, key, () => this.#options.reference.verifyCommit(frame, message, key)));
	}

	verifySync(frame: Uint8Array, message: SyncMessage, key: SigningKey): Verdict {
		return present(this.judge(frame, key, () => this.#options.reference.verifySync(frame, message, key)));
	}

	/**
	 * Judges a frame. The frame need not have been scanned before, and may break the rules for frames too.
	 *
	 * @param refer called if the native code fails, to judge the frame instead
	 * @returns null for a message that is neither `#commit` nor `#sync`
	 */
	judge(frame: Uint8Array, key: SigningKey, refer: () => Verdict): Verdict | null {
		const code = this.#verifier.verify(frame, key.publicKey, key.curve === "p256", this.#result);
		if (code === CODE_PANIC) {
			this.#options.onPanic();
			return refer();
		}
		if (code === CODE_OTHER_MESSAGE) return null;
		const reason = this.#reasons[code] ?? null;
		if (((this.#result[FLAGS_AT] ?? 0) & HAS_CONTENTS) === 0) {
			return { reason, strictOnly: false, commit: null, data: null, touched: null };
		}
		return {
			reason,
			strictOnly: code !== CODE_GOOD,
			commit: this.#cid(COMMIT_AT),
			data: this.#cid(DATA_AT),
			touched: this.#touched(),
		};
	}

	#cid(at: number): Uint8Array {
		return this.#result.slice(at, at + CID_BYTES);
	}

	#touched(): Uint8Array | null {
		const length = this.#view.getUint32(TOUCHED_LENGTH_AT, true);
		return length === 0 ? null : this.#result.slice(TOUCHED_AT, TOUCHED_AT + length);
	}
}

function present(verdict: Verdict | null): Verdict {
	if (verdict === null) throw new Error("the engine was given a frame without a commit");
	return verdict;
}

function knownReason(name: string): RejectionReason {
	const known = REJECTION_REASON_NAMES.find((reason) => reason === name);
	if (known === undefined) throw new Error(`the addon knows a reason that this relay does not: ${name}`);
	return known;
}

/**
 * Loads the native engine and lets it judge the built-in vectors.
 * @throws Error if it can't be used on this machine; the message says why in one line
 */
export function createNativeEngine(options: NativeEngineOptions): NativeEngine {
	const engine = new NativeEngine(loadAddon(), options);
	selfTest(engine);
	return engine;
}
