/**
 * A limit on how much is done at once. Who finds no slot free waits, first come first served. Nothing here limits how many
 * wait: each stands for something that has a limit already, such as a consumer, or a message within its budget in bytes.
 */
export class Semaphore {
	#free: number;
	/** A set keeps the order of arrival and gives up its first member at no cost. */
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
