/**
 * Memory that a message on its way takes besides its frame, at most. The worst case is a message that waits in its own lane for its
 * own lookup. Measured with 50,000 such messages.
 */
export const MESSAGE_OVERHEAD_BYTES = 4_096;

/** Something whose reading can be paused and resumed. */
export interface Pausable {
	pause(): void;
	resume(): void;
}

/**
 * Limits the bytes of messages that were read and are not yet settled: for each host, and for the worker as a whole. If a host
 * reaches its limit, its TCP socket is no longer read. So nothing is ever dropped because of load (invariant 6). Reading goes on
 * at half of the limit.
 *
 * The first half of the worker's bytes is for any host. Once it is used up, each host that holds something may hold an equal part
 * of the other half, and hosts that hold more are paused. So hosts whose messages wait for long can't stop the others.
 */
export class Budget {
	readonly #bytesMax: number;
	#held = 0;
	/** Number of hosts that hold something. */
	#holders = 0;
	readonly #paused = new Set<HostBudget>();

	constructor(bytesMax: number) {
		this.#bytesMax = bytesMax;
	}

	get held(): number {
		return this.#held;
	}

	/** Makes the budget of one host. */
	host(bytesMax: number, target: Pausable): HostBudget {
		return new HostBudget(this, bytesMax, target);
	}

	/** @internal for `HostBudget`. */
	change(bytes: number, holders: number): void {
		this.#held += bytes;
		this.#holders += holders;
		if (bytes < 0 && this.#paused.size > 0 && this.#held <= this.#bytesMax / 4) this.#wake();
	}

	/** @internal for `HostBudget`. Bytes that each host may hold at present. */
	get share(): number {
		if (this.#held <= this.#bytesMax / 2) return Number.POSITIVE_INFINITY;
		return this.#bytesMax / 2 / Math.max(1, this.#holders);
	}

	/** @internal for `HostBudget`. */
	enlist(host: HostBudget): void {
		this.#paused.add(host);
	}

	#wake(): void {
		for (const host of [...this.#paused]) {
			if (this.share !== Number.POSITIVE_INFINITY) return;
			this.#paused.delete(host);
			host.reconsider();
		}
	}
}

/** One host's part of the worker's budget. */
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

	/** Bytes that the host may hold at present before it is paused. */
	get room(): number {
		return Math.min(this.#bytesMax, this.#worker.share);
	}

	/** Must be called when a message of this many bytes was read. Returns the bytes to `release` once it is settled. */
	hold(frameBytes: number): number {
		const bytes = frameBytes + MESSAGE_OVERHEAD_BYTES;
		this.#worker.change(bytes, this.#held === 0 ? 1 : 0);
		this.#held += bytes;
		if (this.#held > this.#bytesMax || this.#held > this.#worker.share) this.#pause();
		return bytes;
	}

	release(bytes: number): void {
		this.#held -= bytes;
		this.#worker.change(-bytes, this.#held === 0 ? -1 : 0);
		this.reconsider();
	}

	/** Resumes the host if it holds at most half of its own limit and of its share. */
	reconsider(): void {
		if (!this.#paused || this.#held > this.#bytesMax / 2) return;
		if (this.#held > this.#worker.share / 2) {
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
