interface Entry<Value> {
	readonly key: string;
	readonly value: Value;
	uses: number;
}

/** Values that many share, each kept once, as long as anybody uses it. A number stands for a value. */
export class Interned<Value> {
	readonly #numbers = new Map<string, number>();
	readonly #entries: (Entry<Value> | null)[] = [];
	readonly #free: number[] = [];

	/** Values in use. */
	get size(): number {
		return this.#numbers.size;
	}

	/** The number of a value, which is used once more now. Equal values must have equal keys, and others must not. */
	use(key: string, value: Value): number {
		const known = this.#numbers.get(key);
		const entry = known === undefined ? null : this.#entries[known];
		if (known !== undefined && entry != null) {
			entry.uses++;
			return known;
		}
		const number = this.#free.pop() ?? this.#entries.length;
		this.#entries[number] = { key, value, uses: 1 };
		this.#numbers.set(key, number);
		return number;
	}

	/** @throws RangeError if no value in use has this number */
	at(number: number): Value {
		return this.#entry(number).value;
	}

	/** Takes one use of a value back. @throws RangeError if no value in use has this number */
	release(number: number): void {
		const entry = this.#entry(number);
		if (--entry.uses > 0) return;
		this.#numbers.delete(entry.key);
		this.#entries[number] = null;
		this.#free.push(number);
	}

	#entry(number: number): Entry<Value> {
		const entry = this.#entries[number];
		if (entry == null) throw new RangeError(`no value has the number ${number}`);
		return entry;
	}
}
