/** Lets everything that is ready to run do so. */
export async function settle(): Promise<void> {
	for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
}

/** A monotonic clock that the test moves, with a `sleep` that goes by it. */
export class FakeTime {
	nowMs: number;
	#sleepers: { untilMs: number; wake: () => void }[] = [];

	constructor(nowMs: number) {
		this.nowMs = nowMs;
	}

	readonly clock = (): number => this.nowMs;

	readonly sleep = (ms: number): Promise<void> => {
		const { promise, resolve } = Promise.withResolvers<void>();
		this.#sleepers.push({ untilMs: this.nowMs + ms, wake: resolve });
		return promise;
	};

	/** Lets time pass. It stops whenever a sleeper is due, so that each wakes at its time. */
	async pass(ms: number): Promise<void> {
		const endMs = this.nowMs + ms;
		await settle();
		for (;;) {
			const due = this.#sleepers.filter(({ untilMs }) => untilMs <= endMs);
			if (due.length === 0) break;
			this.nowMs = Math.max(this.nowMs, Math.min(...due.map(({ untilMs }) => untilMs)));
			const awake = due.filter(({ untilMs }) => untilMs <= this.nowMs);
			this.#sleepers = this.#sleepers.filter((sleeper) => !awake.includes(sleeper));
			for (const { wake } of awake) wake();
			await settle();
		}
		this.nowMs = endMs;
	}
}
