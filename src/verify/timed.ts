import type { Counters } from "../observe/counters.ts";
import { type Histogram, histogram } from "../observe/metric.ts";
import type { CommitMessage } from "../protocol/kinds/commit.ts";
import type { SyncMessage } from "../protocol/kinds/sync.ts";
import { steadyMs } from "../runtime/steady-clock.ts";
import type { Engine, SigningKey, Verdict } from "./engine.ts";

const verificationSeconds = histogram(
	"verification_seconds",
	"how long the verification of a commit or sync took, by the engine of the thread",
	"The native engine takes a fraction of a millisecond, the portable one some ten times as long: if that one runs, the first log lines say why.",
	[0.00005, 0.0001, 0.00015, 0.0002, 0.0003, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1],
	{ name: "engine", values: ["native", "portable"] },
);

/** An engine that counts how long each verification takes. */
export class TimedEngine implements Engine {
	readonly name: Engine["name"];
	readonly #engine: Engine;
	readonly #counters: Counters;
	readonly #clock: () => number;
	readonly #seconds: Histogram;
	/** When the last verification began and ended, by `steadyMs`; 0 before the first. */
	beganMs = 0;
	endedMs = 0;

	/** @param clock as `steadyMs` */
	constructor(engine: Engine, counters: Counters, clock: () => number = steadyMs) {
		this.name = engine.name;
		this.#engine = engine;
		this.#counters = counters;
		this.#clock = clock;
		this.#seconds = verificationSeconds.of(engine.name);
	}

	verifyCommit(frame: Uint8Array, message: CommitMessage, key: SigningKey): Verdict {
		this.beganMs = this.#clock();
		const verdict = this.#engine.verifyCommit(frame, message, key);
		this.#ended();
		return verdict;
	}

	verifySync(frame: Uint8Array, message: SyncMessage, key: SigningKey): Verdict {
		this.beganMs = this.#clock();
		const verdict = this.#engine.verifySync(frame, message, key);
		this.#ended();
		return verdict;
	}

	#ended(): void {
		this.endedMs = this.#clock();
		this.#counters.time(this.#seconds, this.beganMs, this.endedMs);
	}
}
