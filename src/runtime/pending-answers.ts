import { networkOf } from "../net/network.ts";

export interface PendingLimits {
	/** Questions that wait at once. */
	max: number;
	/** Those of one IPv4 address or IPv6 /64. */
	perAddressMax: number;
	timeoutMs: number;
}

/** Why there is no answer: too many questions wait already, or of this address, or the time is over. */
export type Unanswered = "full" | "address-full" | "timeout";

/** Questions to another thread that wait for its answer: bounded in number, in number for each address, and in time. */
export class PendingAnswers<Answer> {
	readonly #limits: PendingLimits;
	readonly #pending = new Map<number, (answer: Answer | "timeout") => void>();
	readonly #ofAddress = new Map<string, number>();
	#lastId = 0;

	constructor(limits: PendingLimits) {
		this.#limits = limits;
	}

	/**
	 * Asks, and resolves with the answer or why there is none.
	 *
	 * @param ip of whoever causes the question; null for the operator, to whom no limit but the time applies
	 * @param send sends the question under an id, for `settle`
	 */
	async ask(ip: string | null, send: (id: number) => void): Promise<Answer | Unanswered> {
		const address = ip === null ? null : networkOf(ip);
		if (address !== null) {
			if (this.#pending.size >= this.#limits.max) return "full";
			if ((this.#ofAddress.get(address) ?? 0) >= this.#limits.perAddressMax) return "address-full";
			this.#count(address, 1);
		}
		const id = ++this.#lastId;
		const { promise, resolve } = Promise.withResolvers<Answer | "timeout">();
		const timer = setTimeout(() => resolve("timeout"), this.#limits.timeoutMs);
		this.#pending.set(id, resolve);
		try {
			send(id);
			return await promise;
		} finally {
			clearTimeout(timer);
			this.#pending.delete(id);
			if (address !== null) this.#count(address, -1);
		}
	}

	/** Takes an answer. One that comes after the time is of no use any more. */
	settle(id: number, answer: Answer): void {
		this.#pending.get(id)?.(answer);
	}

	#count(address: string, amount: 1 | -1): void {
		const count = (this.#ofAddress.get(address) ?? 0) + amount;
		if (count === 0) this.#ofAddress.delete(address);
		else this.#ofAddress.set(address, count);
	}
}
