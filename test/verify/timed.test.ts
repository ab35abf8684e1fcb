import { expect, test } from "bun:test";
import { Counters } from "../../src/observe/counters.ts";
import type { CommitMessage } from "../../src/protocol/kinds/commit.ts";
import type { SyncMessage } from "../../src/protocol/kinds/sync.ts";
import type { Engine, SigningKey, Verdict } from "../../src/verify/engine.ts";
import { TimedEngine } from "../../src/verify/timed.ts";
import { countedBy, observed } from "../observe/counted.ts";

const VERDICT: Verdict = { reason: "blocks-empty", strictOnly: false, commit: null, data: null, touched: null };

test("each verification is counted with its time, by the engine, and the verdict is the engine's", () => {
	const counters = new Counters();
	let nowMs = 0;
	const engine = (name: Engine["name"], takesMs: number): TimedEngine => {
		const verify = (): Verdict => {
			nowMs += takesMs;
			return VERDICT;
		};
		return new TimedEngine({ name, verifyCommit: verify, verifySync: verify }, counters, () => nowMs);
	};
	const key: SigningKey = { curve: "k256", publicKey: new Uint8Array(33) };
	const commit = {} as CommitMessage;
	const sync = {} as SyncMessage;
	const native = engine("native", 0.5);
	const portable = engine("portable", 4);
	expect(native.name).toBe("native");
	expect(native.verifyCommit(new Uint8Array(1), commit, key)).toBe(VERDICT);
	expect(native.verifySync(new Uint8Array(1), sync, key)).toBe(VERDICT);
	expect(portable.verifyCommit(new Uint8Array(1), commit, key)).toBe(VERDICT);
	expect(countedBy(counters, "verification_seconds")).toEqual({ native: 2, portable: 1 });
	expect([portable.beganMs, portable.endedMs]).toEqual([1, 5]);
	const { distributions } = observed(counters, "verification_seconds");
	expect(distributions.map(({ sum }) => sum)).toEqual([0.001, 0.004]);
});
