/** A start was stopped before it was done. Nothing was taken from a host; the log is closed. */
export class StartStopped extends Error {
	override readonly name = "StartStopped";
}

/** The part of a start that ends at once when the relay is to stop. Any step of it may need the database, and wait for it for any time. */
export class StoppableStart {
	readonly #stop: AbortSignal | undefined;
	readonly #stopped = Promise.withResolvers<never>();
	readonly #onStop: () => void;
	#isStopped = false;

	/**
	 * @param stop aborted when the relay is to stop
	 * @param closeLog closes the log. It is all that must be done for a start that has taken nothing.
	 */
	constructor(stop: AbortSignal | undefined, closeLog: () => Promise<void>) {
		this.#stop = stop;
		this.#onStop = () => {
			this.#isStopped = true;
			closeLog().then(() => this.#stopped.reject(new StartStopped("the start was stopped")), this.#stopped.reject);
		};
		// Between two steps nobody waits.
		this.#stopped.promise.catch(() => {});
		if (stop?.aborted === true) this.#onStop();
		else stop?.addEventListener("abort", this.#onStop);
	}

	/**
	 * Waits for a step, or until the start is stopped.
	 * @throws StartStopped
	 */
	async step<Result>(work: Promise<Result>): Promise<Result> {
		const result = await Promise.race([work, this.#stopped.promise]);
		// The log may take a while to close.
		return this.#isStopped ? await this.#stopped.promise : result;
	}

	/** From here on, a stop has to drain the relay. */
	end(): void {
		this.#stop?.removeEventListener("abort", this.#onStop);
	}
}
