/**
 * Runs work once at the end of this turn of the event loop, however often it was asked for. An example is waking a thread,
 * which costs more than handling a message.
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
