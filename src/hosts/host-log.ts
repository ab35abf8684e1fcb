import type { Handover } from "../log/handover.ts";
import type { HostFacts } from "../log/record/control.ts";
import { controlEntry } from "../log/record/entry.ts";
import type { Timing } from "../runtime/timing.ts";

/** How often the control thread looks whether its records are durable: once for all of them. */
const POLL_MS = 5;

/** What waits for a place in the ring, or there for the disk. */
interface Waiting {
	/** Called when the record is durable. */
	resolves: (() => void)[];
}

/**
 * Appends `host` records to the log, for the control thread. A record is a host's whole row, so only the last one of a host
 * is kept while the ring is full: what waits is bounded by the number of hosts.
 */
export class HostLog {
	readonly #handover: Handover;
	readonly #timing: Timing;
	/** By host. */
	readonly #unsent = new Map<number, Waiting & { facts: HostFacts }>();
	/** In the ring, in its order. */
	readonly #sent: (Waiting & { position: number })[] = [];
	#isPolling = false;

	constructor(handover: Handover, timing: Timing) {
		this.#handover = handover;
		this.#timing = timing;
	}

	/** Resolves when the record, or a later one of the same host, is durable. */
	append(facts: HostFacts): Promise<void> {
		const { promise, resolve } = Promise.withResolvers<void>();
		const resolves = this.#unsent.get(facts.id)?.resolves ?? [];
		resolves.push(resolve);
		this.#unsent.set(facts.id, { facts, resolves });
		this.#send();
		this.#poll();
		return promise;
	}

	#send(): void {
		for (const [id, { facts, resolves }] of this.#unsent) {
			const position = this.#handover.push(controlEntry("host", facts));
			if (position === null) return;
			this.#unsent.delete(id);
			this.#sent.push({ position, resolves });
		}
	}

	#poll(): void {
		if (this.#isPolling || (this.#sent.length === 0 && this.#unsent.size === 0)) return;
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
		const open = this.#sent.findIndex(({ position }) => position > acknowledged);
		for (const { resolves } of this.#sent.splice(0, open < 0 ? this.#sent.length : open))
			for (const resolve of resolves) resolve();
	}
}
