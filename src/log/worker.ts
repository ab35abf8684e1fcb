import type { DiskFaultReason } from "../disk/fault.ts";
import type { Counters } from "../observe/counters.ts";
import { Doorbell } from "../runtime/doorbell.ts";
import { RingReader } from "../runtime/ring.ts";
import { startOnPath } from "../runtime/start-error.ts";
import { endThreadOnFailure, serveRole } from "../runtime/thread.ts";
import type { WorkerContext } from "../runtime/worker-context.ts";
import { tracerOf } from "../tracing/tracer.ts";
import { openLog } from "./access.ts";
import type { Log } from "./log.ts";
import { LogTracer } from "./log-tracer.ts";
import { MessageTimes } from "./message-times.ts";
import { type Producer, Sequencer } from "./sequencer.ts";

type UsedSettings =
	| "syncMode"
	| "segmentBytes"
	| "replayWindowMs"
	| "replayBytesMax"
	| "diskReserveBytes"
	| "initialSeq";

/** What the sequencer's thread is started with. */
export interface SequencerStart extends WorkerContext<UsedSettings> {
	/** One for each thread that hands over entries, with that thread's doorbell. */
	rings: { buffer: SharedArrayBuffer; doorbell: SharedArrayBuffer }[];
	/** The sequencer's own, which the producers ring. */
	doorbell: SharedArrayBuffer;
	/** Memory of the messages' times. */
	messageTimes: SharedArrayBuffer;
}

/** How long the loop may go on without a turn of the event loop, which brings the control thread's messages. */
const TURN_MS_MAX = 20;

/** The thread's loop, from start to drain. */
class SequencerLoop {
	readonly #log: Log;
	readonly #sequencer: Sequencer;
	readonly #doorbell: Doorbell;
	readonly #stopped: Promise<void>;
	#isStopping = false;

	/** @param onStall called with the reason why the log can't be written each time it changes; null if the log can be written */
	constructor(options: SequencerStart, counters: Counters, onStall: (reason: DiskFaultReason | null) => void) {
		const { config } = options;
		const tracer = tracerOf(options.trace, counters);
		const onProgress = (): void => this.#doorbell.ring();
		this.#doorbell = new Doorbell(options.doorbell);
		this.#log = openLog(options.log, { ...config, directory: config.persistDir, counters, onStall, onProgress });
		const producers = options.rings.map(
			(ring): Producer => ({ ring: new RingReader(ring.buffer), doorbell: new Doorbell(ring.doorbell) }),
		);
		this.#sequencer = new Sequencer(this.#log, producers, counters, {
			times: new MessageTimes(options.messageTimes),
			tracer: tracer && new LogTracer(tracer),
		});
		this.#stopped = this.#run();
	}

	/** Resolves when the loop has ended; rejects when it has failed. */
	get stopped(): Promise<void> {
		return this.#stopped;
	}

	/**
	 * Makes the loop empty the rings and end. The producers must have ended before. If the disk fails, there is one more try.
	 * What it does not take was never acknowledged, so the hosts send it again.
	 */
	stop(): void {
		this.#isStopping = true;
		this.#log.retryNow();
		this.#doorbell.ring();
	}

	async #run(): Promise<void> {
		let turnEndsAtMs = performance.now() + TURN_MS_MAX;
		for (;;) {
			const ticket = this.#doorbell.ticket();
			const step = this.#sequencer.step();
			const wasIdle = !(step instanceof Promise ? await step : step);
			if (wasIdle && this.#isStopping && !this.#log.isBusy) break;
			const untilDueMs = this.#log.keepUp();
			if (wasIdle) await this.#doorbell.sleep(ticket, untilDueMs);
			if (performance.now() < turnEndsAtMs) continue;
			await new Promise(setImmediate);
			turnEndsAtMs = performance.now() + TURN_MS_MAX;
		}
		this.#log.close();
		this.#sequencer.acknowledge();
	}
}

/** Ready when the log is open. Emits the reason why it can't be written each time it changes; null if it can be written. */
serveRole<SequencerStart, never, DiskFaultReason | null>((emit) => {
	let loop: SequencerLoop | null = null;
	return {
		async start(options, counters) {
			const open = (): SequencerLoop => new SequencerLoop(options, counters, emit);
			loop = await startOnPath("persistDir", options.config.persistDir, open);
			// A failure here is damage or a mistake of ours: the loop waits for a disk that fails.
			endThreadOnFailure(loop.stopped);
		},
		command() {},
		async drain() {
			loop?.stop();
			await loop?.stopped;
		},
	};
});
