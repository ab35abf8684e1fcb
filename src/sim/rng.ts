/** The names that can be drawn, with their relative weights. */
export type Weights<T extends string> = Readonly<Record<T, number>>;

/**
 * A seeded generator of pseudo-random numbers (sfc32), so that one seed reproduces a whole network.
 * It is fast and well mixed, but must not be used for secrets.
 */
export class Rng {
	readonly #seed: string;
	#a: number;
	#b: number;
	#c: number;
	#counter = 1;

	/** @param seed any text; equal seeds give equal sequences */
	constructor(seed: string) {
		this.#seed = seed;
		const digest = new Bun.CryptoHasher("sha256").update(seed).digest();
		this.#a = digest.readInt32LE(0);
		this.#b = digest.readInt32LE(4);
		this.#c = digest.readInt32LE(8);
	}

	/** A separate generator for one part, so that drawing more numbers in one part changes nothing in the others. */
	fork(label: string): Rng {
		return new Rng(`${this.#seed}/${label}`);
	}

	/** The next 32 bits, as an unsigned integer. */
	uint32(): number {
		const sum = (this.#a + this.#b + this.#counter) | 0;
		this.#counter = (this.#counter + 1) | 0;
		this.#a = this.#b ^ (this.#b >>> 9);
		this.#b = (this.#c + (this.#c << 3)) | 0;
		this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
		return sum >>> 0;
	}

	/** A number in [0, 1). */
	float(): number {
		return this.uint32() / 2 ** 32;
	}

	/** An integer in [0, `below`). */
	int(below: number): number {
		return Math.floor(this.float() * below);
	}

	bytes(length: number): Uint8Array<ArrayBuffer> {
		return Uint8Array.from({ length }, () => this.uint32() & 0xff);
	}

	/** The items in another order: each is as likely as any other, and the same seed always gives the same one. */
	shuffled<T>(items: readonly T[]): T[] {
		const left = [...items];
		return items.flatMap(() => left.splice(this.int(left.length), 1));
	}

	/** @throws {RangeError} if `items` is empty */
	pick<T>(items: readonly T[]): T {
		const item = items[this.int(items.length)];
		if (item === undefined) throw new RangeError("there is nothing to pick from");
		return item;
	}

	/** Draws one of the names, each as often as its weight says. */
	weighted<T extends string>(weights: Weights<T>): T {
		const names = Object.keys(weights) as T[];
		let left = this.float() * names.reduce((sum, name) => sum + weights[name], 0);
		for (const name of names) {
			left -= weights[name];
			if (left < 0) return name;
		}
		throw new RangeError("all weights are zero");
	}

	/** A text of `length` characters out of `alphabet`. */
	text(length: number, alphabet: string): string {
		let text = "";
		for (let i = 0; i < length; i++) text += alphabet[this.int(alphabet.length)];
		return text;
	}
}
