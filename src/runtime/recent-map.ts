export interface RecentMapLimits<Key, Value> {
	entriesMax?: number;
	/** Of all entries together, as `bytesOf` counts them. */
	bytesMax?: number;
	/** The bytes that an entry takes. They must not change while it is there. */
	bytesOf?: (key: Key, value: Value) => number;
	/** Called with each entry that the limits evict. */
	onForgotten?: (key: Key, value: Value) => void;
}

/** A map within limits. Beyond them the entry that was used longest ago is forgotten first; the last one set stays, whatever its size. */
export class RecentMap<Key, Value> {
	/** In the order of use. */
	readonly #entries = new Map<Key, Value>();
	readonly #limits: Required<RecentMapLimits<Key, Value>>;
	#bytes = 0;

	constructor({
		entriesMax = Number.POSITIVE_INFINITY,
		bytesMax = Number.POSITIVE_INFINITY,
		bytesOf = () => 0,
		onForgotten = () => undefined,
	}: RecentMapLimits<Key, Value>) {
		this.#limits = { entriesMax, bytesMax, bytesOf, onForgotten };
	}

	get size(): number {
		return this.#entries.size;
	}

	/** Of all entries together. */
	get bytes(): number {
		return this.#bytes;
	}

	/** The value of a key. Counts as a use of the entry. */
	get(key: Key): Value | undefined {
		const value = this.#entries.get(key);
		if (value === undefined) return undefined;
		this.#entries.delete(key);
		this.#entries.set(key, value);
		return value;
	}

	/** The value of a key. Does not count as a use of the entry. */
	peek(key: Key): Value | undefined {
		return this.#entries.get(key);
	}

	/** Sets a value. Counts as a use of the entry. */
	set(key: Key, value: Value): void {
		const { entriesMax, bytesMax, bytesOf, onForgotten } = this.#limits;
		this.delete(key);
		this.#entries.set(key, value);
		this.#bytes += bytesOf(key, value);
		for (const [oldest, forgotten] of this.#entries) {
			if ((this.#entries.size <= entriesMax && this.#bytes <= bytesMax) || this.#entries.size === 1) return;
			this.delete(oldest);
			onForgotten(oldest, forgotten);
		}
	}

	delete(key: Key): void {
		const value = this.#entries.get(key);
		if (value === undefined) return;
		this.#bytes -= this.#limits.bytesOf(key, value);
		this.#entries.delete(key);
	}

	/** In the order of use, the one used longest ago first. Entries may be deleted meanwhile. */
	[Symbol.iterator](): MapIterator<[Key, Value]> {
		return this.#entries[Symbol.iterator]();
	}
}
