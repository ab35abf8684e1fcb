import { networkOf } from "../net/network.ts";

/** How many consumers the relay serves, on all of its fan-out threads together. */
export interface ConsumerLimits {
	consumersMax: number;
	/** From one IPv4 address, or from one /64 of IPv6, which is what one customer gets. */
	consumersPerIpMax: number;
}

/** An address counts in one cell of each row. Others may share some of its cells, so the lowest count is the closest to its own. */
const ROWS = 4;
/** Cells in a row, per consumer that may be connected. */
const CELLS_PER_CONSUMER = 4;
const CELLS_MIN = 4_096;

/** Words before the cells: the seed of the hash, which strangers must not know, and the number of all consumers. */
const SEED = 0;
const CONSUMERS = 1;
const CELLS = 2;

/** Makes the memory in which the fan-out threads count together: 64 bytes for each consumer allowed, at least 64 KiB. */
export function createConsumerCountBuffer(consumersMax: number): SharedArrayBuffer {
	const cells = Math.max(CELLS_MIN, CELLS_PER_CONSUMER * consumersMax);
	const buffer = new SharedArrayBuffer(4 * (CELLS + ROWS * cells));
	crypto.getRandomValues(new Uint32Array(buffer, 4 * SEED, 1));
	return buffer;
}

/**
 * Counts consumers over all threads that share its memory, and never lets in more than the limits allow. An address is refused
 * too early only if others fill all of its cells, which happens once in millions. Two consumers that take the last place at the
 * same moment may both be refused.
 */
export class ConsumerCount {
	readonly #limits: ConsumerLimits;
	readonly #words: Int32Array;
	readonly #rowCells: number;

	constructor(limits: ConsumerLimits, buffer: SharedArrayBuffer) {
		this.#limits = limits;
		this.#words = new Int32Array(buffer);
		this.#rowCells = (this.#words.length - CELLS) / ROWS;
	}

	/** Takes a place, which `release` gives back. Returns null, or says which limit is reached. */
	take(ip: string): string | null {
		const { consumersMax, consumersPerIpMax } = this.#limits;
		if (Atomics.add(this.#words, CONSUMERS, 1) >= consumersMax) {
			Atomics.sub(this.#words, CONSUMERS, 1);
			return `this relay already serves its limit of ${consumersMax} consumers`;
		}
		const before = this.#cells(ip).map((cell) => Atomics.add(this.#words, cell, 1));
		if (Math.min(...before) >= consumersPerIpMax) {
			this.release(ip);
			return `this relay already serves its limit of ${consumersPerIpMax} consumers from your address`;
		}
		return null;
	}

	release(ip: string): void {
		Atomics.sub(this.#words, CONSUMERS, 1);
		for (const cell of this.#cells(ip)) Atomics.sub(this.#words, cell, 1);
	}

	/** The address's cell in each row. */
	#cells(ip: string): number[] {
		const network = networkOf(ip);
		const seed = Atomics.load(this.#words, SEED) >>> 0;
		return Array.from({ length: ROWS }, (_, row) => {
			const hash = Bun.hash.xxHash64(network, BigInt(seed) * BigInt(ROWS) + BigInt(row));
			return CELLS + row * this.#rowCells + Number(hash % BigInt(this.#rowCells));
		});
	}
}
