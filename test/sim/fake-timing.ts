import type { Timing } from "../../src/runtime/timing.ts";

/** A time that passes only when a test says so. */
export class FakeTiming implements Timing {
	#nowMs = 1_000_000;
	readonly #actions: { atMs: number; action: () => void }[] = [];

	nowMs(): number {
		return this.#nowMs;
	}

	after(delayMs: number, action: () => void): () => void {
		const entry = { atMs: this.#nowMs + delayMs, action };
		this.#actions.push(entry);
		return () => {
			const at = this.#actions.indexOf(entry);
			if (at >= 0) this.#actions.splice(at, 1);
		};
	}

	/** Number of actions that are still to run. */
	get waiting(): number {
		return this.#actions.length;
	}

	/** Milliseconds until the next action. */
	get nextMs(): number {
		return Math.min(...this.#actions.map(({ atMs }) => atMs)) - this.#nowMs;
	}

	/** Lets this much time pass, and runs the actions that are due, in the order of their times. */
	pass(ms: number): void {
		if (!Number.isFinite(ms)) throw new RangeError("nothing is to come");
		const endMs = this.#nowMs + ms;
		for (;;) {
			const due = this.#actions.filter(({ atMs }) => atMs <= endMs).sort((a, b) => a.atMs - b.atMs)[0];
			if (due === undefined) break;
			this.#actions.splice(this.#actions.indexOf(due), 1);
			this.#nowMs = due.atMs;
			due.action();
		}
		this.#nowMs = endMs;
	}
}
