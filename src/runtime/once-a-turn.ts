/**
 * Does work at the end of this turn of the event loop, once, however often it was asked for: such as waking a thread, which costs
 * more than a message.
 */
export class OnceATurn {
	readonly #run: () => void;
	#isScheduled = false;

	constructor(work: () => void) {
		this.#run = () => {
			this.#isScheduled = false;
			work();
		};
	}

	schedule(): void {
		if (this.#isScheduled) return;
		this.#isScheduled = true;
		setImmediate(this.#run);
	}
}
