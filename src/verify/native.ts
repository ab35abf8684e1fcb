import type { CommitMessage } from "../protocol/kinds/commit.ts";
import type { SyncMessage } from "../protocol/kinds/sync.ts";
import { CID_BYTES } from "../protocol/limits.ts";
import { REJECTION_REASON_NAMES, type RejectionReason } from "../protocol/reasons.ts";
import type { Engine, SigningKey, Verdict } from "./engine.ts";
import { loadAddon, type NativeAddon, type NativeVerifier } from "./native-addon.ts";
import { selfTest } from "./self-test.ts";

/** What the parsed public keys of a thread may take: enough for some 80,000 of secp256k1. */
const KEY_CACHE_BYTES_MAX = 16 * 1024 * 1024;

/** The result's layout, which `native/addon/src/result.rs` writes. Numbers are little-endian. */
const LAYOUT_VERSION = 3;
const FLAGS_AT = 1;
const COMMIT_AT = 4;
const DATA_AT = 40;
const TOUCHED_LENGTH_AT = 76;
const TOUCHED_AT = 80;

const HAS_CONTENTS = 1;

/** Codes beside those of the reasons, which count from 1. */
const CODE_GOOD = 0;
const CODE_OTHER_MESSAGE = 254;
const CODE_PANIC = 255;

export interface NativeEngineOptions {
	/** Judges a message on which the native code failed: its verdicts are the same. */
	reference: Engine;
	/** Told of each such failure. It is a fault of the native code, which has printed where. */
	onPanic: () => void;
}

/**
 * The engine in Rust, of `native/`. It finds for itself in the frame what there is to verify, which costs less than to hand
 * it over, and its verdicts are those of the portable engine on every input.
 */
export class NativeEngine implements Engine {
	readonly name = "native";
	readonly #verifier: NativeVerifier;
	readonly #reasons: readonly (RejectionReason | null)[];
	readonly #options: NativeEngineOptions;
	/** Written by each call, so that a call makes no objects but the verdict. */
	readonly #result: Uint8Array;
	readonly #view: DataView;

	/** @throws Error if the addon is of another build than this file */
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
	 * Judges a frame that need not have been scanned, and may break the rules of frames too.
	 *
	 * @param refer what to do where the native code fails
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
 * @throws Error saying in one line why it can't be used here
 */
export function createNativeEngine(options: NativeEngineOptions): NativeEngine {
	const engine = new NativeEngine(loadAddon(), options);
	selfTest(engine);
	return engine;
}
