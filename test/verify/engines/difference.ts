import { scanFrame } from "../../../src/protocol/frame.ts";
import { Rejection } from "../../../src/protocol/rejection.ts";
import type { SigningKey, Verdict } from "../../../src/verify/engine.ts";
import { createNativeEngine, type NativeEngine } from "../../../src/verify/native.ts";
import { createPortableEngine } from "../../../src/verify/portable/engine.ts";

const portable = createPortableEngine();

/** The native engine, or null if the addon is not built. It must not panic. */
export function nativeForTests(): NativeEngine | null {
	const onPanic = (): never => {
		throw new Error("the native engine panicked");
	};
	try {
		return createNativeEngine({ reference: portable, onPanic });
	} catch (error) {
		if (process.env["STANDPIPE_TEST_NATIVE"] === "required") throw error;
		return null;
	}
}

/** Both engines' results for one frame. Null: the frame is a message without a commit. */
export interface Opinions {
	portable: Verdict | null;
	native: Verdict | null;
}

/** Asks both engines, including the scan of the frame. Returns their results, and whether these are equal to the last byte. */
export function compare(native: NativeEngine, frame: Uint8Array, key: SigningKey): Opinions & { agree: boolean } {
	const opinions = { portable: judgePortably(frame, key), native: native.judge(frame, key, panicked) };
	// For other messages the native engine looks only at the header.
	return { ...opinions, agree: opinions.native === null ? !isRepoMessage(frame) : same(opinions) };
}

function panicked(): never {
	throw new Error("the native engine panicked");
}

function judgePortably(frame: Uint8Array, key: SigningKey): Verdict | null {
	try {
		const scanned = scanFrame(frame);
		if (scanned.kind !== "message") return null;
		const { message } = scanned;
		if (message.type === "commit") return portable.verifyCommit(frame, message, key);
		return message.type === "sync" ? portable.verifySync(frame, message, key) : null;
	} catch (error) {
		if (error instanceof Rejection) {
			return { reason: error.reason, strictOnly: false, commit: null, data: null, touched: null };
		}
		throw error;
	}
}

/** Whether the portable scan takes a frame for a `#commit` or `#sync`. */
function isRepoMessage(frame: Uint8Array): boolean {
	try {
		const scanned = scanFrame(frame);
		return scanned.kind === "message" && (scanned.message.type === "commit" || scanned.message.type === "sync");
	} catch {
		return false;
	}
}

function same({ portable: a, native: b }: Opinions): boolean {
	if (a === null || b === null) return a === b;
	return (
		a.reason === b.reason &&
		a.strictOnly === b.strictOnly &&
		sameBytes(a.commit, b.commit) &&
		sameBytes(a.data, b.data) &&
		sameBytes(a.touched, b.touched)
	);
}

function sameBytes(a: Uint8Array | null, b: Uint8Array | null): boolean {
	return a === null || b === null ? a === b : Buffer.compare(a, b) === 0;
}
