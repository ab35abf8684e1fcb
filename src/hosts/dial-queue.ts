import type { Counters } from "../observe/counters.ts";
import { gauge } from "../observe/metric.ts";

const hostsDialling = gauge(
	"hosts_dialling",
	"connections to hosts that are being made now",
	"If it stays high, many hosts do not answer: look at your network and at your resolver.",
);
const hostsQueued = gauge(
	"hosts_queued",
	"hosts that wait for their turn to dial",
	"It falls to 0 after a start. If it does not, look at your network and at your resolver.",
);

/** Something that waits for its turn to dial. */
export interface Dialler {
	/** It has a slot, and must release it when the attempt is over. */
	turn(): void;
}

/**
 * Bounds how many connections are made at once: a DNS lookup, a TLS handshake and an upgrade each. A slot is free when an attempt
 * is over, whether it succeeded or not, so thousands of hosts are dialled as fast as they answer. Those that somebody has asked for
 * come first, then the others in the order in which they came.
 */
export class DialQueue {
	readonly #counters: Counters;
	#free: number;
	/** Sets keep the order in which things were added, and lose any of them at once. */
	readonly #urgent = new Set<Dialler>();
	readonly #others = new Set<Dialler>();

	constructor(slots: number, counters: Counters) {
		this.#free = slots;
		this.#counters = counters;
	}

	/** Calls `turn` when there is a slot, maybe at once. One that waits already can be put in front of those that are not urgent. */
	add(dialler: Dialler, isUrgent: boolean): void {
		this.remove(dialler);
		(isUrgent ? this.#urgent : this.#others).add(dialler);
		this.#counters.add(hostsQueued);
		this.#next();
	}

	/** It waits no more. */
	remove(dialler: Dialler): void {
		if (this.#urgent.delete(dialler) || this.#others.delete(dialler)) this.#counters.add(hostsQueued, -1);
	}

	/** An attempt is over. */
	release(): void {
		this.#free++;
		this.#counters.add(hostsDialling, -1);
		this.#next();
	}

	#next(): void {
		while (this.#free > 0) {
			const [first] = this.#urgent.size > 0 ? this.#urgent : this.#others;
			if (first === undefined) return;
			this.remove(first);
			this.#free--;
			this.#counters.add(hostsDialling);
			first.turn();
		}
	}
}
