import type { DiskFaultReason } from "../disk/fault.ts";
import type { Counters } from "../observe/counters.ts";
import { Doorbell } from "../runtime/doorbell.ts";
import { RingReader } from "../runtime/ring.ts";
import { startOnPath } from "../runtime/start-error.ts";
import { endThreadOnFailure, serveRole } from "../runtime/thread.ts";
import type { WorkerContext } from "../runtime/worker-context.ts";
import { ActiveSegment } from "./local/active-segment.ts";
import { systemLogFs } from "./local/log-fs.ts";
import { LogWriter } from "./local/write/log-writer.ts";
import { LogPosition } from "./position.ts";
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
	/** One for each thread that hands over records, with that thread's doorbell. */
	rings: { buffer: SharedArrayBuffer; doorbell: SharedArrayBuffer }[];
	/** The sequencer's own, which the producers ring. */
	doorbell: SharedArrayBuffer;
}

const MAINTENANCE_MS = 60_000;
/** How long written records may wait for their sync in mode `write`. */
const SYNC_INTERVAL_MS = 200;
/** How long the loop may go on without a look at the control thread's messages. */
const TURN_MS_MAX = 20;

/** The thread's loop, from start to drain. */
class SequencerLoop {
	readonly #writer: LogWriter;
	readonly #sequencer: Sequencer;
	readonly #doorbell: Doorbell;
	readonly #stopped: Promise<void>;
	#isStopping = false;
	/** At once, since the disk may have filled up while nobody looked. */
	#maintainedAtMs = Number.NEGATIVE_INFINITY;
	#syncedAtMs = performance.now();

	/** @param onStall told why the log can't be written, each time that changes */
	constructor(options: SequencerStart, counters: Counters, onStall: (reason: DiskFaultReason | null) => void) {
		const { config, log } = options;
		const clocks = { clock: Date.now, elapsedMs: () => performance.now() };
		this.#writer = new LogWriter({
			...config,
			...clocks,
			directory: config.persistDir,
			fs: systemLogFs,
			position: new LogPosition(log.position),
			active: new ActiveSegment(log.activeSegment),
			counters,
			onStall,
		});
		const producers = options.rings.map(
			(ring): Producer => ({ ring: new RingReader(ring.buffer), doorbell: new Doorbell(ring.doorbell) }),
		);
		this.#sequencer = new Sequencer(this.#writer, producers, counters);
		this.#doorbell = new Doorbell(options.doorbell);
		this.#stopped = this.#run();
	}

	/** Resolves when the loop has ended; rejects when it has failed. */
	get stopped(): Promise<void> {
		return this.#stopped;
	}

	/**
	 * Lets the loop empty the rings and end. The producers have ended before. A disk that fails gets one more try: what it
	 * does not take was never acknowledged, and hosts send it again.
	 */
	stop(): void {
		this.#isStopping = true;
		this.#writer.retryNow();
		this.#doorbell.ring();
	}

	async #run(): Promise<void> {
		let turnEndsAtMs = performance.now() + TURN_MS_MAX;
		for (;;) {
			const ticket = this.#doorbell.ticket();
			const wasIdle = !this.#sequencer.step();
			if (wasIdle && this.#isStopping && !this.#writer.isSyncing) break;
			this.#keepUp();
			if (wasIdle) await this.#doorbell.sleep(ticket, SYNC_INTERVAL_MS);
			if (performance.now() < turnEndsAtMs) continue;
			await new Promise(setImmediate);
			turnEndsAtMs = performance.now() + TURN_MS_MAX;
		}
		this.#writer.close();
		this.#sequencer.acknowledge();
	}

	/** What is due by the clock. */
	#keepUp(): void {
		const nowMs = performance.now();
		if (nowMs - this.#maintainedAtMs >= MAINTENANCE_MS) {
			this.#maintainedAtMs = nowMs;
			this.#writer.maintain();
		}
		if (!this.#writer.isUnsynced || nowMs - this.#syncedAtMs < SYNC_INTERVAL_MS) return;
		this.#syncedAtMs = nowMs;
		// A segment that has to end waits for this.
		void this.#writer.syncInBackground().then(() => this.#doorbell.ring());
	}
}

/** Ready when the log is open. Emits why it can't be written, each time that changes. */
serveRole<SequencerStart, never, DiskFaultReason | null>((emit) => {
	let loop: SequencerLoop | null = null;
	return {
		async start(options, counters) {
			const open = (): SequencerLoop => new SequencerLoop(options, counters, emit);
			loop = await startOnPath("persistDir", options.config.persistDir, open);
			// Damage: a disk that only fails is waited for.
			endThreadOnFailure(loop.stopped);
		},
		command() {},
		async drain() {
			loop?.stop();
			await loop?.stopped;
		},
	};
});
