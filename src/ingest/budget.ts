/** Beyond its frame, a message on its way costs us about this much memory in objects. */
const MESSAGE_OVERHEAD_BYTES = 512;

/** One who can be told to stop reading and to go on. */
export interface Pausable {
	pause(): void;
	resume(): void;
}

/**
 * Limits the bytes of messages that are read and not yet settled: per host, and for the worker as a whole. A host that
 * reaches its limit, or reads while the worker has reached its own, is paused, back to its TCP socket. So nothing is ever
 * dropped because of load (invariant 6). Reading goes on at half of the limit.
 */
export class Budget {
	readonly #bytesMax: number;
	#held = 0;
	readonly #paused = new Set<HostBudget>();

	constructor(bytesMax: number) {
		this.#bytesMax = bytesMax;
	}

	get held(): number {
		return this.#held;
	}

	/** The share of one host. */
	host(bytesMax: number, target: Pausable): HostBudget {
		return new HostBudget(this, bytesMax, target);
	}

	/** @internal for `HostBudget`. */
	change(bytes: number): void {
		this.#held += bytes;
		if (bytes < 0 && this.#paused.size > 0 && this.#held <= this.#bytesMax / 2) this.#wake();
	}

	/** @internal for `HostBudget`. */
	get exhausted(): boolean {
		return this.#held > this.#bytesMax;
	}

	/** @internal for `HostBudget`. */
	enlist(host: HostBudget): void {
		this.#paused.add(host);
	}

	#wake(): void {
		for (const host of [...this.#paused]) {
			if (this.exhausted) return;
			this.#paused.delete(host);
			host.reconsider();
		}
	}
}

/** What one host holds of the worker's budget. */
export class HostBudget {
	readonly #worker: Budget;
	readonly #bytesMax: number;
	readonly #target: Pausable;
	#held = 0;
	#paused = false;

	constructor(worker: Budget, bytesMax: number, target: Pausable) {
		this.#worker = worker;
		this.#bytesMax = bytesMax;
		this.#target = target;
	}

	/** A message of so many bytes was read. Returns what to `release` once it is settled. */
	hold(frameBytes: number): number {
		const bytes = frameBytes + MESSAGE_OVERHEAD_BYTES;
		this.#held += bytes;
		this.#worker.change(bytes);
		if (this.#held > this.#bytesMax || this.#worker.exhausted) this.#pause();
		return bytes;
	}

	release(bytes: number): void {
		this.#held -= bytes;
		this.#worker.change(-bytes);
		this.reconsider();
	}

	/** Lets the host read again if nothing is against it any more. */
	reconsider(): void {
		if (!this.#paused || this.#held > this.#bytesMax / 2) return;
		if (this.#worker.exhausted) {
			this.#worker.enlist(this);
			return;
		}
		this.#paused = false;
		this.#target.resume();
	}

	#pause(): void {
		if (this.#paused) return;
		this.#paused = true;
		this.#target.pause();
		if (this.#held <= this.#bytesMax / 2) this.#worker.enlist(this);
	}
}
