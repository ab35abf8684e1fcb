import type { Timing } from "../runtime/timing.ts";
import type { Handover } from "./handover.ts";

/** Interval at which it is checked what has room or has become durable. One check serves all that wait. */
const POLL_MS = 5;

export interface DurableWaitsOptions {
	handover: Pick<Handover, "acknowledged">;
	timing: Timing;
	/** Puts into the ring what has room there, and adds a wait for it. Returns whether something still waits for room. */
	send(): boolean;
}

/** Entries that a thread has put into its ring, until they are durable. For a thread that the sequencer does not wake. */
export class DurableWaits {
	readonly #options: DurableWaitsOptions;
	/** In the ring's order. */
	readonly #waits: { position: number; onDurable: () => void }[] = [];
	#waitsForRoom = false;
	#isPolling = false;

	constructor(options: DurableWaitsOptions) {
		this.#options = options;
	}

	/** @param position ring position after the entry, not less than that of the wait before */
	add(position: number, onDurable: () => void): void {
		this.#waits.push({ position, onDurable });
	}

	/** Sends what has room, and goes on by itself until nothing waits any more. */
	send(): void {
		// It stays so if `send` throws: then it is called again.
		this.#waitsForRoom = true;
		try {
			this.#waitsForRoom = this.#options.send();
		} finally {
			this.#poll();
		}
	}

	#poll(): void {
		if (this.#isPolling || (!this.#waitsForRoom && this.#waits.length === 0)) return;
		this.#isPolling = true;
		this.#options.timing.after(POLL_MS, () => {
			this.#isPolling = false;
			try {
				this.#acknowledge();
			} finally {
				this.send();
			}
		});
	}

	#acknowledge(): void {
		const acknowledged = this.#options.handover.acknowledged();
		const open = this.#waits.findIndex(({ position }) => position > acknowledged);
		for (const { onDurable } of this.#waits.splice(0, open < 0 ? this.#waits.length : open)) onDurable();
	}
}
