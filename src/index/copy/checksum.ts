import type { Row, Value } from "./tables.ts";

const BITS = 64;

/**
 * A sum over rows that is the same in whatever order they come: the sum of a hash of each row. Two tables with the same count and sum have
 * the same rows, unless somebody has searched for rows with the same hash.
 */
export class Checksum {
	#rows = 0;
	#sum = 0n;

	get rows(): number {
		return this.#rows;
	}

	add(rows: readonly Row[]): void {
		for (const row of rows) this.#sum += Bun.hash.wyhash(JSON.stringify(row.map(writable)));
		this.#sum = BigInt.asUintN(BITS, this.#sum);
		this.#rows += rows.length;
	}

	/** The count and the sum, for comparison and for people. */
	toString(): string {
		return `${this.#rows} rows with the sum ${this.#sum.toString(16).padStart(BITS / 4, "0")}`;
	}
}

/** A column's values are of one type, so bytes can't be mistaken for a text. */
function writable(value: Value): Exclude<Value, Uint8Array> {
	return typeof value === "object" && value !== null ? value.toHex() : value;
}
