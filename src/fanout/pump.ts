import type { Position, RecordReader } from "../log/log.ts";
import { contain, reportFailure } from "../runtime/boundary.ts";
import type { Consumer, Turn } from "./consumer.ts";
import type { Deliveries } from "./deliveries.ts";

/** After this long the pump returns to the event loop, so that sockets, timers and requests are served. */
export const SLICE_MS = 5;

export interface PumpOptions {
	/** Monotonic milliseconds. */
	clock?: (() => number) | undefined;
	/** Told of each turn in which a live consumer was given records. */
	deliveries?: Pick<Deliveries, "turned"> | undefined;
}

/**
 * Gives consumers their turns. It knows which of them may have something to read. It works in slices, so that neither one consumer
 * nor all of them together block the thread. In each slice the consumers that were at the log's end come first, since they have
 * little to read. Then at least one of those that are behind gets a turn, in round-robin order. So neither group starves the other.
 */
export class Pump {
	readonly #position: Position;
	readonly #reader: RecordReader;
	readonly #clock: () => number;
	readonly #deliveries: PumpOptions["deliveries"];
	readonly #consumers = new Set<Consumer>();
	/** Those that were not at the log's end when they connected, or after their last turn. */
	readonly #behind = new Set<Consumer>();
	/** Those that want a turn: live ones, and ones that are behind. */
	readonly #readyLive = new Set<Consumer>();
	readonly #readyBehind = new Set<Consumer>();
	/** Those whose next records are being fetched. A turn before they are there would do nothing. */
	readonly #fetching = new Set<Consumer>();
	readonly #empty = Promise.withResolvers<void>();
	#sliceScheduled = false;
	#stopped = false;
	#draining = false;

	constructor(position: Position, reader: RecordReader, options: PumpOptions = {}) {
		this.#position = position;
		this.#reader = reader;
		this.#clock = options.clock ?? (() => performance.now());
		this.#deliveries = options.deliveries;
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

	/** Checks every consumer. To be called every few seconds. */
	check(): void {
		const { lastLsn } = this.#position.snapshot();
		for (const consumer of this.#consumers) consumer.check(lastLsn);
	}

	/** Wakes all consumers whenever the log has grown. Resolves after `drain`. */
	async follow(): Promise<void> {
		let { lastLsn } = this.#position.snapshot();
		while (!this.#stopped) {
			await this.#position.wait(lastLsn, Number.POSITIVE_INFINITY);
			const span = this.#position.snapshot();
			if (span.lastLsn === lastLsn) continue;
			lastLsn = span.lastLsn;
			this.#wakeAll();
		}
	}

	/**
	 * Sends all consumers what is published, then closes them. Those that have not taken it within `timeoutMs` are cut off: they can
	 * come back with their cursors.
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
		this.#position.wake();
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

	/** Gives turns until `endMs`, and at least one if any consumer wants one. */
	#giveTurns(ready: Set<Consumer>, endMs: number): void {
		for (const consumer of ready) {
			ready.delete(consumer);
			const turn = this.#turn(consumer);
			if (turn === "caught-up") this.#behind.delete(consumer);
			else this.#behind.add(consumer);
			// A consumer that wants more goes to the end of the set. This loop reaches it after all others.
			if (turn === "more") this.#readyBehind.add(consumer);
			if (turn instanceof Promise) void this.#wakeAfter(turn, consumer);
			if (this.#clock() >= endMs) return;
		}
	}

	#turn(consumer: Consumer): Turn {
		try {
			const { isLive, lsn } = consumer;
			const turn = consumer.turn(this.#reader);
			if (isLive && lsn !== null && consumer.lsn !== null && consumer.lsn > lsn)
				this.#deliveries?.turned(lsn, consumer.lsn);
			return turn;
		} catch (error) {
			reportFailure("a consumer's turn", error);
			consumer.terminate();
			return "blocked";
		}
	}

	/** Gives the consumer a turn when its records are fetched. If they can't be read, only the consumers that need them are closed. */
	async #wakeAfter(fetched: Promise<void>, consumer: Consumer): Promise<void> {
		this.#fetching.add(consumer);
		// The reader logs the failure, once for all who waited.
		const isThere = await fetched.then(
			() => true,
			() => false,
		);
		// The consumer may have left meanwhile.
		if (!this.#fetching.delete(consumer)) return;
		if (isThere) this.wake(consumer);
		else contain("the end of a consumer whose records can't be read", () => consumer.failToRead());
	}
}
