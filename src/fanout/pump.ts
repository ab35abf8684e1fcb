import type { Position, RecordReader } from "../log/log.ts";
import { contain, reportFailure } from "../runtime/boundary.ts";
import type { Consumer, Turn } from "./consumer.ts";

/** After this long the pump lets sockets, timers and other requests have their turn. */
export const SLICE_MS = 5;
/** How often the position of the log is looked at even if nobody says that it moved. */
const POSITION_WAIT_MS = 1_000;

/**
 * Gives consumers their turns. It knows who may have something to read, and works in slices, so that neither one consumer
 * nor all of them together hold up the thread. In each slice those that were at the log's end come first, since what they
 * wait for is short, and then at least one of those that are behind, who go round-robin: so neither starves the other.
 */
export class Pump {
	readonly #position: Position;
	readonly #reader: RecordReader;
	readonly #clock: () => number;
	readonly #consumers = new Set<Consumer>();
	/** Those that were not at the log's end when they came, or after their last turn. */
	readonly #behind = new Set<Consumer>();
	/** Who wants a turn, by whether they are behind. */
	readonly #readyLive = new Set<Consumer>();
	readonly #readyBehind = new Set<Consumer>();
	/** Those whose next records are being fetched: a turn before that would be for nothing. */
	readonly #fetching = new Set<Consumer>();
	readonly #empty = Promise.withResolvers<void>();
	#sliceScheduled = false;
	#stopped = false;
	#draining = false;

	/** @param clock milliseconds from any start that never go back */
	constructor(position: Position, reader: RecordReader, clock: () => number = () => performance.now()) {
		this.#position = position;
		this.#reader = reader;
		this.#clock = clock;
	}

	add(consumer: Consumer): void {
		this.#consumers.add(consumer);
		if (consumer.lsn === null || consumer.lsn < this.#position.snapshot().lastLsn) this.#behind.add(consumer);
		this.wake(consumer);
	}

	remove(consumer: Consumer): void {
		this.#consumers.delete(consumer);
		for (const set of [this.#behind, this.#readyLive, this.#readyBehind, this.#fetching]) set.delete(consumer);
		if (this.#draining && this.#consumers.size === 0) this.#empty.resolve();
	}

	/** Gives this consumer a turn soon. */
	wake(consumer: Consumer): void {
		this.#makeReady(consumer);
		this.#schedule();
	}

	/** Looks after every consumer; to be called every few seconds. */
	check(): void {
		const { lastLsn } = this.#position.snapshot();
		for (const consumer of this.#consumers) consumer.check(lastLsn);
	}

	/** Wakes everyone whenever the log has grown. Resolves after `stop`. */
	async follow(): Promise<void> {
		let { lastLsn } = this.#position.snapshot();
		while (!this.#stopped) {
			await this.#position.wait(lastLsn, POSITION_WAIT_MS);
			const span = this.#position.snapshot();
			if (span.lastLsn === lastLsn) continue;
			lastLsn = span.lastLsn;
			this.#wakeAll();
		}
	}

	/**
	 * Sends everyone what is published, then closes them. Whoever has not taken it within `timeoutMs` is cut off: it has
	 * its cursor.
	 */
	async drain(code: number, reason: string, timeoutMs: number): Promise<void> {
		this.#draining = true;
		for (const consumer of this.#consumers) consumer.closeWhenCaughtUp(code, reason);
		this.#wakeAll();
		if (this.#consumers.size === 0) this.#empty.resolve();
		const timer = setTimeout(() => this.#empty.resolve(), timeoutMs);
		await this.#empty.promise;
		clearTimeout(timer);
		this.#stopped = true;
		for (const consumer of this.#consumers) consumer.terminate();
	}

	#wakeAll(): void {
		for (const consumer of this.#consumers) this.#makeReady(consumer);
		this.#schedule();
	}

	#makeReady(consumer: Consumer): void {
		if (this.#fetching.has(consumer)) return;
		(this.#behind.has(consumer) ? this.#readyBehind : this.#readyLive).add(consumer);
	}

	#schedule(): void {
		if (this.#sliceScheduled || this.#readyLive.size + this.#readyBehind.size === 0) return;
		this.#sliceScheduled = true;
		setImmediate(() => {
			this.#sliceScheduled = false;
			this.#slice();
			this.#schedule();
		});
	}

	#slice(): void {
		const endMs = this.#clock() + SLICE_MS;
		this.#giveTurns(this.#readyLive, endMs);
		this.#giveTurns(this.#readyBehind, endMs);
	}

	/** Gives at least one turn, where somebody wants one. */
	#giveTurns(ready: Set<Consumer>, endMs: number): void {
		for (const consumer of ready) {
			ready.delete(consumer);
			const turn = this.#turn(consumer);
			if (turn === "caught-up") this.#behind.delete(consumer);
			else this.#behind.add(consumer);
			// Whoever asks for more goes to the end of the set, which this loop reaches after all others.
			if (turn === "more") this.#readyBehind.add(consumer);
			if (turn instanceof Promise) void this.#wakeAfter(turn, consumer);
			if (this.#clock() >= endMs) return;
		}
	}

	#turn(consumer: Consumer): Turn {
		try {
			return consumer.turn(this.#reader);
		} catch (error) {
			reportFailure("a consumer's turn", error);
			consumer.terminate();
			return "blocked";
		}
	}

	/** Gives the consumer a turn when what it needs is there. What can't be read costs only those who want it. */
	async #wakeAfter(fetched: Promise<void>, consumer: Consumer): Promise<void> {
		this.#fetching.add(consumer);
		// Why not is said by the reader, once for all who waited.
		const isThere = await fetched.then(
			() => true,
			() => false,
		);
		// It may have left meanwhile.
		if (!this.#fetching.delete(consumer)) return;
		if (isThere) this.wake(consumer);
		else contain("the end of a consumer whose records can't be read", () => consumer.failToRead());
	}
}
