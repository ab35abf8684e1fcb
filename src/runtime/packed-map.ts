import { NO_SLOT, RecentKeys } from "./recent-keys.ts";

/** How values are written as bytes. */
export interface Packing<Value> {
	/** Bytes of a packed value. */
	readonly recordBytes: number;
	/** Whether the value can be packed. Any other one is kept as it is. */
	fits(key: string, value: Value): boolean;
	/** Writes a value that fits to `record`, from offset `at` on. There may be old bytes. */
	write(value: Value, record: Buffer, at: number): void;
	/** Reads what `write` has written, in new objects. */
	read(key: string, record: Buffer, at: number): Value;
	/** Called before a packed value is overwritten or deleted. */
	drop(record: Buffer, at: number): void;
}

/** Records in one page. Pages are made when they are needed, and stay. */
const PAGE_SLOTS = 1_024;

/**
 * A map of many values, in the order of use. It keeps those that can be packed as bytes outside the heap: there a value takes a fraction
 * of the memory of its objects, and the collector has nothing to visit. Each reading makes new objects, so a change of them changes nothing here.
 */
export class PackedMap<Value> {
	readonly #packing: Packing<Value>;
	readonly #keys: RecentKeys;
	readonly #pages: Buffer[] = [];
	/** The values that can't be packed, by slot. */
	readonly #others = new Map<number, Value>();

	/** @param prefix of the keys that take least memory, as in `RecentKeys` */
	constructor(prefix: string, packing: Packing<Value>) {
		this.#keys = new RecentKeys(prefix);
		this.#packing = packing;
	}

	get size(): number {
		return this.#keys.size;
	}

	/** The key that was used longest ago, or null if there is none. */
	get oldest(): string | null {
		const slot = this.#keys.oldest;
		return slot === NO_SLOT ? null : this.#keys.keyOf(slot);
	}

	has(key: string): boolean {
		return this.#keys.find(key) !== NO_SLOT;
	}

	/** The value of a key. Does not count as a use of the entry. */
	peek(key: string): Value | undefined {
		const slot = this.#keys.find(key);
		return slot === NO_SLOT ? undefined : this.#read(key, slot);
	}

	/** The value of a key. Counts as a use of the entry. */
	get(key: string): Value | undefined {
		const slot = this.#keys.find(key);
		if (slot === NO_SLOT) return undefined;
		this.#keys.touch(slot);
		return this.#read(key, slot);
	}

	/** Sets a value. Counts as a use of the entry only if it is new. */
	set(key: string, value: Value): void {
		let slot = this.#keys.find(key);
		if (slot === NO_SLOT) slot = this.#keys.add(key);
		else this.#drop(slot);
		if (!this.#packing.fits(key, value)) {
			this.#others.set(slot, value);
			return;
		}
		this.#packing.write(value, this.#page(slot), this.#at(slot));
	}

	/** Counts as a use of the entry, if there is one. */
	touch(key: string): void {
		const slot = this.#keys.find(key);
		if (slot !== NO_SLOT) this.#keys.touch(slot);
	}

	delete(key: string): void {
		const slot = this.#keys.find(key);
		if (slot === NO_SLOT) return;
		this.#drop(slot);
		this.#keys.remove(slot);
	}

	#read(key: string, slot: number): Value {
		const other = this.#others.size === 0 ? undefined : this.#others.get(slot);
		return other ?? this.#packing.read(key, this.#page(slot), this.#at(slot));
	}

	#drop(slot: number): void {
		if (!this.#others.delete(slot)) this.#packing.drop(this.#page(slot), this.#at(slot));
	}

	#page(slot: number): Buffer {
		const number = Math.floor(slot / PAGE_SLOTS);
		let page = this.#pages[number];
		if (page === undefined) {
			page = Buffer.allocUnsafeSlow(PAGE_SLOTS * this.#packing.recordBytes);
			this.#pages[number] = page;
		}
		return page;
	}

	#at(slot: number): number {
		return (slot % PAGE_SLOTS) * this.#packing.recordBytes;
	}
}
