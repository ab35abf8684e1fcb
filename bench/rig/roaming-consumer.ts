import type { Rng } from "../../src/sim/rng.ts";
import { CheckedStream } from "./checked-stream.ts";
import type { MessageLedger } from "./message-ledger.ts";
import { pauseFor } from "./pause.ts";
import type { SeenFrames } from "./seen-frames.ts";

/** Where the log begins and ends now. */
export type LogRange = () => Promise<{ firstSeq: number; lastSeq: number }>;

/** How consumers begin: at the live end, somewhere in the log, or before all that is left of it. */
const BEGINNINGS = { live: 4, retained: 4, outdated: 2 };
const READ_MS_MAX = 30_000;
const STALL_MS_MAX = 60_000;
const AWAY_MS_MAX = 5_000;

/** A consumer that comes, reads for a while, sometimes stalls, and leaves, again and again. */
export class RoamingConsumer {
	visits = 0;
	stalls = 0;
	/** Connections that the relay ended, since the consumer had stalled. */
	dropped = 0;
	frames = 0;
	readonly notices = new Map<string, number>();
	readonly #stream: CheckedStream;
	readonly #range: LogRange;
	readonly #rng: Rng;

	constructor(origin: string, ledger: MessageLedger, seen: SeenFrames, range: LogRange, rng: Rng) {
		this.#stream = new CheckedStream(origin, ledger, seen);
		this.#range = range;
		this.#rng = rng;
	}

	/** Roams until the signal is aborted. */
	async run(signal: AbortSignal): Promise<void> {
		while (!signal.aborted) {
			this.visits++;
			await this.#stream.connect(await this.#beginning());
			await pauseFor(this.#rng.int(READ_MS_MAX), signal);
			if (this.#rng.int(3) === 0) await this.#stall(signal);
			this.#stream.leave(this.#rng.int(2) === 0);
			this.#take();
			await pauseFor(this.#rng.int(AWAY_MS_MAX), signal);
		}
	}

	async #beginning(): Promise<number | null> {
		const { firstSeq, lastSeq } = await this.#range();
		switch (this.#rng.weighted(BEGINNINGS)) {
			case "live":
				return null;
			case "retained":
				return firstSeq + this.#rng.int(Math.max(1, lastSeq - firstSeq));
			case "outdated":
				return 0;
		}
	}

	/** Reads nothing for a while, and then goes on. If the relay has dropped it, it comes back with its cursor. */
	async #stall(signal: AbortSignal): Promise<void> {
		this.stalls++;
		this.#stream.pause();
		await pauseFor(this.#rng.int(STALL_MS_MAX), signal);
		this.#stream.resume();
		await pauseFor(this.#rng.int(READ_MS_MAX), signal);
		if (this.#stream.isOpen || signal.aborted) return;
		this.dropped++;
		await this.#stream.connect(this.#stream.lastSeq);
		await pauseFor(this.#rng.int(READ_MS_MAX), signal);
	}

	/** Takes over what the stream has counted. */
	#take(): void {
		this.frames += this.#stream.frames;
		this.#stream.frames = 0;
		for (const [name, count] of this.#stream.notices) this.notices.set(name, (this.notices.get(name) ?? 0) + count);
		this.#stream.notices.clear();
	}
}
