import type { SigningKey, Verdict } from "./engine.ts";
import { SELF_TEST_VECTORS } from "./self-test-vectors.ts";

/** The part of an engine that the self-test needs. */
export interface FrameJudge {
	judge(frame: Uint8Array, key: SigningKey, refer: () => Verdict): Verdict | null;
}

/**
 * Lets an engine judge the built-in vectors: good and bad signatures of both curves, and a good and a bad commit.
 * @throws Error that names the first vector with a wrong verdict
 */
export function selfTest(engine: FrameJudge): void {
	for (const { name, curve, publicKey, frame, reason } of SELF_TEST_VECTORS) {
		const key = { curve, publicKey: Buffer.from(publicKey, "base64") };
		const refer = (): never => {
			throw new Error(`self-test failed: it panics on ${name}`);
		};
		const verdict = engine.judge(Buffer.from(frame, "base64"), key, refer);
		if (verdict?.reason !== reason) {
			throw new Error(`self-test failed: ${name} gives ${verdict?.reason ?? "good"}, not ${reason ?? "good"}`);
		}
	}
}
