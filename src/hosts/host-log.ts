import { DurableWaits } from "../log/durable-waits.ts";
import type { Handover } from "../log/handover.ts";
import type { CursorsFacts, HostFacts } from "../log/record/control.ts";
import { controlEntry } from "../log/record/entry.ts";
import type { Timing } from "../runtime/timing.ts";

/** A record of a host that waits for space in the ring. */
interface Waiting {
	facts: HostFacts;
	/** Called when the record is durable. */
	resolves: (() => void)[];
}

/**
 * Appends records of hosts to the log, for the control thread. A `host` record is a host's whole row, so while the ring is full only the
 * last record of each host is kept. The number that wait is bounded by the number of hosts.
 */
export class HostLog {
	readonly #handover: Handover;
	/** Records that wait for space in the ring, by the host's id. */
	readonly #unsent = new Map<number, Waiting>();
	/** Records of cursors that wait for space in the ring, in their order. */
	readonly #unsentCursors: { facts: CursorsFacts; resolve: () => void }[] = [];
	readonly #waits: DurableWaits;

	constructor(handover: Handover, timing: Timing) {
		this.#handover = handover;
		this.#waits = new DurableWaits({ handover, timing, send: () => this.#send() });
	}

	/** Resolves when the record, or a later one of the same host, is durable. */
	append(facts: HostFacts): Promise<void> {
		const { promise, resolve } = Promise.withResolvers<void>();
		const resolves = this.#unsent.get(facts.id)?.resolves ?? [];
		resolves.push(resolve);
		this.#unsent.set(facts.id, { facts, resolves });
		this.#waits.send();
		return promise;
	}

	/** Resolves when the record is durable. */
	appendCursors(facts: CursorsFacts): Promise<void> {
		const { promise, resolve } = Promise.withResolvers<void>();
		this.#unsentCursors.push({ facts, resolve });
		this.#waits.send();
		return promise;
	}

	#send(): boolean {
		for (const [id, { facts, resolves }] of this.#unsent) {
			const position = this.#handover.push(controlEntry("host", facts));
			if (position === null) return true;
			this.#unsent.delete(id);
			this.#waits.add(position, () => {
				for (const resolve of resolves) resolve();
			});
		}
		for (let first = this.#unsentCursors[0]; first !== undefined; first = this.#unsentCursors[0]) {
			const position = this.#handover.push(controlEntry("cursors", first.facts));
			if (position === null) return true;
			this.#unsentCursors.shift();
			this.#waits.add(position, first.resolve);
		}
		return false;
	}
}
