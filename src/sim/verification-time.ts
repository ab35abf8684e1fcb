import { scanFrame } from "../protocol/frame.ts";
import type { Engine } from "../verify/engine.ts";
import type { CorpusFrame } from "./corpus.ts";

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
