import type { Handover } from "../log/handover.ts";
import type { CursorsFacts, HostFacts } from "../log/record/control.ts";
import { controlEntry } from "../log/record/entry.ts";
import type { Timing } from "../runtime/timing.ts";

/** Interval at which the control thread checks which of its records are durable. One check serves all of them. */
const POLL_MS = 5;

/** A record that waits for space in the ring, or, once there, until it is durable. */
interface Waiting {
	/** Called when the record is durable. */
	resolves: (() => void)[];
}

/**
 * Appends records of hosts to the log, for the control thread. A `host` record is a host's whole row, so while the ring is full only the
 * last record of each host is kept. The number that wait is bounded by the number of hosts.
 */
export class HostLog {
	readonly #handover: Handover;
	readonly #timing: Timing;
	/** Records that wait for space in the ring, by the host's id. */
	readonly #unsent = new Map<number, Waiting & { facts: HostFacts }>();
	/** Records of cursors that wait for space in the ring, in their order. */
	readonly #unsentCursors: (Waiting & { facts: CursorsFacts })[] = [];
	/** Records in the ring, in its order. */
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

	/** Resolves when the record is durable. */
	appendCursors(facts: CursorsFacts): Promise<void> {
		const { promise, resolve } = Promise.withResolvers<void>();
		this.#unsentCursors.push({ facts, resolves: [resolve] });
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
		for (let first = this.#unsentCursors[0]; first !== undefined; first = this.#unsentCursors[0]) {
			const position = this.#handover.push(controlEntry("cursors", first.facts));
			if (position === null) return;
			this.#unsentCursors.shift();
			this.#sent.push({ position, resolves: first.resolves });
		}
	}

	#poll(): void {
		const waiting = this.#sent.length + this.#unsent.size + this.#unsentCursors.length;
		if (this.#isPolling || waiting === 0) return;
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
