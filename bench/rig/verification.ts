import { scanFrame } from "../../src/protocol/frame.ts";
import type { CorpusFrame } from "../../src/sim/corpus.ts";
import type { Engine } from "../../src/verify/engine.ts";
import { loadAddon } from "../../src/verify/native-addon.ts";

/** The fastest round counts, since other work of the machine can only add time. */
const FLOOR_ROUNDS = 5;

/** CPU time in ms that an engine takes for frames, alone on this thread, after `warmUp` has warmed it up. */
export function verificationCpuMs(
	engine: Engine,
	warmUp: readonly CorpusFrame[],
	frames: readonly CorpusFrame[],
): number {
	const scan = ({ frame, account }: CorpusFrame) => {
		const scanned = scanFrame(frame);
		if (scanned.kind !== "message" || scanned.message.type !== "commit") throw new Error("a corpus holds commits only");
		return { frame, message: scanned.message, key: account.key };
	};
	const verify = ({ frame, message, key }: ReturnType<typeof scan>): void => {
		const { reason } = engine.verifyCommit(frame, message, key);
		if (reason !== null) throw new Error(`the engine rejects a good commit: ${reason}`);
	};
	const scanned = frames.map(scan);
	for (const frame of warmUp) verify(scan(frame));
	const start = process.cpuUsage();
	for (const frame of scanned) verify(frame);
	const { user, system } = process.cpuUsage(start);
	return (user + system) / 1000;
}

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
