import type { Timing } from "../runtime/timing.ts";
import { DurableWaits } from "./durable-waits.ts";
import type { Handover } from "./handover.ts";
import type { Entry } from "./record/entry.ts";

/** Entries that stand in this order and are not all in the ring yet. */
interface Group {
	/** Those that are not. */
	rest: Entry[];
	resolve(): void;
}

/**
 * Appends control records for a thread that the sequencer does not wake, such as the control thread. Records keep the order in which
 * they were given. How many may wait for room in the ring is for the callers to limit.
 */
export class Appender {
	readonly #handover: Pick<Handover, "push">;
	readonly #unsent: Group[] = [];
	readonly #waits: DurableWaits;

	constructor(handover: Pick<Handover, "push" | "acknowledged">, timing: Timing) {
		this.#handover = handover;
		this.#waits = new DurableWaits({ handover, timing, send: () => this.#send() });
	}

	/** Appends entries in this order. Resolves when all of them are durable. */
	append(...entries: Entry[]): Promise<void> {
		if (entries.length === 0) return Promise.resolve();
		const { promise, resolve } = Promise.withResolvers<void>();
		this.#unsent.push({ rest: entries, resolve });
		this.#waits.send();
		return promise;
	}

	#send(): boolean {
		for (let group = this.#unsent[0]; group !== undefined; group = this.#unsent[0]) {
			for (let entry = group.rest[0]; entry !== undefined; entry = group.rest[0]) {
				const position = this.#handover.push(entry);
				if (position === null) return true;
				group.rest.shift();
				if (group.rest.length === 0) this.#waits.add(position, group.resolve);
			}
			this.#unsent.shift();
		}
		return false;
	}
}
