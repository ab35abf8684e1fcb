/**
 * Wakes one thread that sleeps between batches. Any number of threads may ring; the owner takes a ticket, looks for work, and
 * sleeps only if nobody has rung since it took the ticket:
 *
 *     const ticket = doorbell.ticket();
 *     if (!workWasDone()) await doorbell.sleep(ticket, timeoutMs);
 */
export class Doorbell {
	readonly buffer: SharedArrayBuffer;
	readonly #word: Int32Array;

	constructor(buffer: SharedArrayBuffer = new SharedArrayBuffer(4)) {
		this.buffer = buffer;
		this.#word = new Int32Array(buffer);
	}

	ring(): void {
		Atomics.add(this.#word, 0, 1);
		Atomics.notify(this.#word, 0);
	}

	ticket(): number {
		return Atomics.load(this.#word, 0);
	}

	/**
	 * Sleeps until somebody rings, or for `timeoutMs`. Returns false, without giving the event loop a turn, if somebody has rung
	 * since `ticket` was taken.
	 */
	async sleep(ticket: number, timeoutMs: number): Promise<boolean> {
		const waiting = Atomics.waitAsync(this.#word, 0, ticket, timeoutMs);
		if (waiting.async) await waiting.value;
		return waiting.async;
	}
}
