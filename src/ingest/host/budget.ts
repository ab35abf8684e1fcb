/**
 * Beyond its frame, a message on its way costs us up to this much memory. Most of it is for a message that waits in a lane of its
 * own for a lookup of its own: measured with 50,000 of them.
 */
export const MESSAGE_OVERHEAD_BYTES = 4_096;

/** One who can be told to stop reading and to go on. */
export interface Pausable {
	pause(): void;
	resume(): void;
}

/**
 * Limits the bytes of messages that are read and not yet settled: per host, and for the worker as a whole. A host that
 * reaches its limit is paused, back to its TCP socket. So nothing is ever dropped because of load (invariant 6). Reading goes on
 * at half of the limit.
 *
 * Half of the worker's bytes are for whoever comes. Once they are used up, each host that holds something may hold an equal part
 * of the other half, and those that hold more are paused. So hosts whose messages wait for long can't stop the others.
 */
export class Budget {
	readonly #bytesMax: number;
	#held = 0;
	/** Hosts that hold something. */
	#holders = 0;
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
	change(bytes: number, holders: number): void {
		this.#held += bytes;
		this.#holders += holders;
		if (bytes < 0 && this.#paused.size > 0 && this.#held <= this.#bytesMax / 4) this.#wake();
	}

	/** @internal for `HostBudget`. What one host may hold at present. */
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

	/** Lets the host read again if nothing is against it any more. */
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
