import type { Counters } from "../observe/counters.ts";
import { histogram } from "../observe/metric.ts";
import type { Engine } from "./engine.ts";

const verificationSeconds = histogram(
	"verification_seconds",
	"how long the verification of a commit or sync took, by the engine of the thread",
	"The native engine takes a fraction of a millisecond, the portable one some ten times as long: if that one runs, the first log lines say why.",
	[0.00005, 0.0001, 0.00015, 0.0002, 0.0003, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1],
	{ name: "engine", values: ["native", "portable"] },
);

/** An engine that counts how long each verification takes. */
export function timed(engine: Engine, counters: Counters, clock: () => number = () => performance.now()): Engine {
	const seconds = verificationSeconds.of(engine.name);
	return {
		name: engine.name,
		verifyCommit(frame, message, key) {
			const beganMs = clock();
			const verdict = engine.verifyCommit(frame, message, key);
			counters.time(seconds, beganMs, clock());
			return verdict;
		},
		verifySync(frame, message, key) {
			const beganMs = clock();
			const verdict = engine.verifySync(frame, message, key);
			counters.time(seconds, beganMs, clock());
			return verdict;
		},
	};
}
