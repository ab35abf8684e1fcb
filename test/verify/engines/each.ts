import { describe, test } from "bun:test";
import { scanFrame } from "../../../src/protocol/frame.ts";
import type { SimCurve } from "../../../src/sim/keys.ts";
import { encodeFrame, type SimMessage } from "../../../src/sim/message.ts";
import type { Engine, SigningKey, Verdict } from "../../../src/verify/engine.ts";
import { createPortableEngine } from "../../../src/verify/portable/engine.ts";
import { nativeForTests } from "./difference.ts";

const ENGINES: [string, Engine | null][] = [
	["portable", createPortableEngine()],
	["native", nativeForTests()],
];

/** Runs one suite on both engines, for both curves. The native one is visibly skipped if the addon is not built. */
export function describeEngines(suite: (engine: Engine, curve: SimCurve) => void): void {
	for (const [name, engine] of ENGINES) {
		for (const curve of ["k256", "p256"] as const) {
			describe(`the ${name} engine on ${curve}`, () => {
				if (engine === null) test.skip("is skipped: the addon is not built", () => {});
				else suite(engine, curve);
			});
		}
	}
}

/** An engine's verdict on a message, which is encoded as a frame and scanned first. */
export function judgeWith(engine: Engine, message: SimMessage, key: SigningKey): Verdict {
	const frame = encodeFrame(message, 1);
	const scanned = scanFrame(frame);
	if (scanned.kind !== "message") throw new Error(`scanned as ${scanned.kind}`);
	if (scanned.message.type === "commit") return engine.verifyCommit(frame, scanned.message, key);
	if (scanned.message.type === "sync") return engine.verifySync(frame, scanned.message, key);
	throw new Error(`no engine judges an #${scanned.message.type}`);
}
