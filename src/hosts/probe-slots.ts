export interface ProbeSlotsOptions {
	/** Probes that may run at once. */
	slots: number;
	/** Those of one address. */
	perAddressMax: number;
	/** Probes that wait for a slot. */
	waitingMax: number;
	/** Those of one address. */
	waitingPerAddressMax: number;
	/** A probe that has waited this long is given up. */
	waitMs: number;
	/** Calls back after `ms`. Returns a function that cancels it. */
	timer?: (ms: number, callback: () => void) => () => void;
}

/** Why a probe did not run: too many wait already, or it waited for too long. */
export type NoSlot = "full" | "timeout";

type Waiter = (turn: "go" | NoSlot) => void;

/**
 * Shares the slots for probes among the addresses that ask for them, in turns. So an address that asks for slow hosts only uses
 * up its own slots.
 */
export class ProbeSlots {
	readonly #options: Required<ProbeSlotsOptions>;
	#free: number;
	#waitingCount = 0;
	readonly #running = new Map<string, number>();
	/** Waiting probes by address. The address whose turn is next comes first. */
	readonly #waiting = new Map<string, Set<Waiter>>();

	constructor(options: ProbeSlotsOptions) {
		this.#options = { timer: systemTimer, ...options };
		this.#free = options.slots;
	}

	/** Runs `work` when the address has a slot, or says why it did not. */
	async run<T>(address: string, work: () => Promise<T>): Promise<T | NoSlot> {
		if (this.#isFreeFor(address)) {
			this.#take(address);
		} else {
			const turn = await this.#wait(address);
			if (turn !== "go") return turn;
		}
		try {
			return await work();
		} finally {
			this.#giveBack(address);
			this.#next();
		}
	}

	#take(address: string): void {
		this.#free--;
		this.#running.set(address, this.#runningOf(address) + 1);
	}

	#giveBack(address: string): void {
		this.#free++;
		const running = this.#runningOf(address) - 1;
		if (running === 0) this.#running.delete(address);
		else this.#running.set(address, running);
	}

	#runningOf(address: string): number {
		return this.#running.get(address) ?? 0;
	}

	#isFreeFor(address: string): boolean {
		return this.#free > 0 && this.#runningOf(address) < this.#options.perAddressMax;
	}

	async #wait(address: string): Promise<"go" | NoSlot> {
		const { waitingMax, waitingPerAddressMax, waitMs, timer } = this.#options;
		const waiters = this.#waiting.get(address) ?? new Set();
		if (this.#waitingCount >= waitingMax || waiters.size >= waitingPerAddressMax) return "full";
		const { promise, resolve } = Promise.withResolvers<"go" | NoSlot>();
		const cancel = timer(waitMs, () => {
			this.#leave(address, resolve);
			resolve("timeout");
		});
		this.#waiting.set(address, waiters.add(resolve));
		this.#waitingCount++;
		const turn = await promise;
		cancel();
		return turn;
	}

	#leave(address: string, waiter: Waiter): void {
		const waiters = this.#waiting.get(address);
		if (waiters?.delete(waiter) !== true) return;
		this.#waitingCount--;
		if (waiters.size === 0) this.#waiting.delete(address);
	}

	/** Gives a free slot to the next address that may have one. */
	#next(): void {
		for (const [address, waiters] of this.#waiting) {
			if (!this.#isFreeFor(address)) continue;
			const [waiter] = waiters;
			if (waiter === undefined) continue;
			this.#leave(address, waiter);
			// The address goes to the end of the round.
			if (this.#waiting.delete(address)) this.#waiting.set(address, waiters);
			this.#take(address);
			waiter("go");
			return;
		}
	}
}

function systemTimer(ms: number, callback: () => void): () => void {
	const timer = setTimeout(callback, ms);
	return () => clearTimeout(timer);
}
