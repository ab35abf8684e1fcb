/**
 * A limit on how many pieces of work run at once. Work that finds no free slot waits, first come first served. The number that
 * wait is not limited here, since each belongs to something that is limited already, such as a consumer, or a message within
 * its budget of bytes.
 */
export class Semaphore {
	#free: number;
	/** A set keeps the order of arrival, and removing its first member is cheap. */
	readonly #waiting = new Set<() => void>();

	constructor(count: number) {
		this.#free = count;
	}

	/** Runs `work` in a slot, when one is free. */
	async run<T>(work: () => Promise<T>): Promise<T> {
		await this.#take();
		try {
			return await work();
		} finally {
			this.#giveBack();
		}
	}

	async #take(): Promise<void> {
		if (this.#free > 0) {
			this.#free--;
			return;
		}
		const turn = Promise.withResolvers<void>();
		this.#waiting.add(turn.resolve);
		await turn.promise;
	}

	#giveBack(): void {
		const [next] = this.#waiting;
		if (next === undefined) {
			this.#free++;
			return;
		}
		this.#waiting.delete(next);
		next();
	}
}
