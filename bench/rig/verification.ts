import type { CorpusFrame } from "../../src/sim/corpus.ts";
import { loadAddon } from "../../src/verify/native-addon.ts";

/** The fastest round counts, since other work of the machine can only add time. */
const FLOOR_ROUNDS = 5;

/** The time in µs that one core takes for the signature and the hashes of a commit. Null if the addon is not built. */
export function floorUsOf(frames: readonly CorpusFrame[]): number | null {
	let floor: InstanceType<ReturnType<typeof loadAddon>["Floor"]>;
	try {
		floor = new (loadAddon().Floor)();
	} catch {
		return null;
	}
	for (const { frame, account } of frames) {
		floor.add(frame, account.key.publicKey, account.key.curve === "p256");
	}
	let leastMs = Number.POSITIVE_INFINITY;
	for (let round = 0; round < FLOOR_ROUNDS; round++) {
		const startMs = performance.now();
		if (floor.run() !== frames.length) throw new Error("the floor found a wrong signature");
		leastMs = Math.min(leastMs, performance.now() - startMs);
	}
	return (leastMs * 1000) / frames.length;
}
