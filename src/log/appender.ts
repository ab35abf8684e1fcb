import type { Timing } from "../runtime/timing.ts";
import type { Handover } from "./handover.ts";
import type { Entry } from "./record/entry.ts";

/** Interval at which it is checked what has become durable. One check serves all that wait. */
const POLL_MS = 5;

/** Entries that stand in this order. */
interface Group {
	/** Those that are not in the ring yet. */
	rest: Entry[];
	/** Ring position after the last one that is in the ring. */
	position: number;
	resolve(): void;
}

/**
 * Appends control records for a thread that the sequencer does not wake, such as the control thread. Records keep the order in which
 * they were given. How many may wait for room in the ring is for the callers to limit.
 */
export class Appender {
	readonly #handover: Pick<Handover, "push" | "acknowledged">;
	readonly #timing: Timing;
	/** Those that wait for room, or until they are durable, in their order. */
	readonly #groups: Group[] = [];
	#isPolling = false;

	constructor(handover: Pick<Handover, "push" | "acknowledged">, timing: Timing) {
		this.#handover = handover;
		this.#timing = timing;
	}

	/** Appends entries in this order. Resolves when all of them are durable. */
	append(...entries: Entry[]): Promise<void> {
		if (entries.length === 0) return Promise.resolve();
		const { promise, resolve } = Promise.withResolvers<void>();
		this.#groups.push({ rest: entries, position: 0, resolve });
		this.#send();
		this.#poll();
		return promise;
	}

	#send(): void {
		for (const group of this.#groups)
			for (let entry = group.rest[0]; entry !== undefined; entry = group.rest[0]) {
				const position = this.#handover.push(entry);
				if (position === null) return;
				group.rest.shift();
				group.position = position;
			}
	}

	#poll(): void {
		if (this.#isPolling || this.#groups.length === 0) return;
		this.#isPolling = true;
		this.#timing.after(POLL_MS, () => {
			this.#isPolling = false;
			try {
				this.#send();
				this.#acknowledge();
			} finally {
				this.#poll();
			}
		});
	}

	#acknowledge(): void {
		const acknowledged = this.#handover.acknowledged();
		const open = this.#groups.findIndex(({ rest, position }) => rest.length > 0 || position > acknowledged);
		for (const { resolve } of this.#groups.splice(0, open < 0 ? this.#groups.length : open)) resolve();
	}
}
