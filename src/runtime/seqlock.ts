const HALF = 0x1_0000_0000;
/** Words of 4 bytes: the version first, then each number in two halves, since Atomics on 8 bytes would allocate a BigInt. */
const VERSION = 0;
const NUMBERS = 2;

/**
 * Safe integers in shared memory that one thread writes and any thread reads.
 *
 * A version makes what is read all of one moment: it is odd while the writer is between `begin` and `end`, and a reader who
 * finds it odd, or changed after it has read, reads again.
 */
export class Seqlock {
	readonly buffer: SharedArrayBuffer;
	readonly #words: Int32Array;

	constructor(buffer: SharedArrayBuffer) {
		this.buffer = buffer;
		this.#words = new Int32Array(buffer);
	}

	/** Makes memory for so many numbers, all 0. */
	static createBuffer(numbers: number): SharedArrayBuffer {
		return new SharedArrayBuffer(Seqlock.bytesFor(numbers));
	}

	/** Length of the memory for so many numbers. It may be the beginning of a longer one. */
	static bytesFor(numbers: number): number {
		return 4 * (NUMBERS + 2 * numbers);
	}

	/** Odd while the numbers are being written. */
	version(): number {
		return Atomics.load(this.#words, VERSION);
	}

	/** One number, which may be half written unless the version stays the same and even meanwhile. */
	get(at: number): number {
		const word = NUMBERS + 2 * at;
		return (Atomics.load(this.#words, word) >>> 0) + (Atomics.load(this.#words, word + 1) >>> 0) * HALF;
	}

	/** One number that its writer only lets grow, outside of `begin` and `end`: never greater than what was set. */
	getGrowing(at: number): number {
		// It is stored low half first: read the other way round it is never greater than what was stored.
		const word = NUMBERS + 2 * at;
		const high = Atomics.load(this.#words, word + 1) >>> 0;
		return high * HALF + (Atomics.load(this.#words, word) >>> 0);
	}

	/** Only the writer calls it, between `begin` and `end`; or whoever owns a number that only grows. */
	set(at: number, value: number): void {
		const word = NUMBERS + 2 * at;
		Atomics.store(this.#words, word, value);
		Atomics.store(this.#words, word + 1, Math.floor(value / HALF));
	}

	begin(): void {
		Atomics.add(this.#words, VERSION, 1);
	}

	end(): void {
		Atomics.add(this.#words, VERSION, 1);
	}

	/** Wakes who waits, after `end`. Only numbers that somebody waits for need it: it costs as much as a write of them. */
	wake(): void {
		Atomics.notify(this.#words, VERSION);
	}

	/** Resolves when the writer wakes who waits and the version is no longer `version`, or after `timeoutMs`. */
	async wait(version: number, timeoutMs: number): Promise<void> {
		const waiting = Atomics.waitAsync(this.#words, VERSION, version, timeoutMs);
		if (waiting.async) await waiting.value;
	}
}

/** What is made of a seqlock's numbers, all of one moment. It is shared, and made anew when the numbers have changed. */
export class SeqlockView<T> {
	readonly #numbers: Seqlock;
	readonly #read: (numbers: Seqlock) => T;
	#value: T;
	#version = -1;

	/** @param read may find numbers that are half written: then what it makes of them is not used */
	constructor(numbers: Seqlock, read: (numbers: Seqlock) => T) {
		this.#numbers = numbers;
		this.#read = read;
		this.#value = read(numbers);
	}

	get value(): T {
		for (;;) {
			const version = this.#numbers.version();
			if (version === this.#version) return this.#value;
			if ((version & 1) === 1) continue;
			const value = this.#read(this.#numbers);
			if (this.#numbers.version() !== version) continue;
			this.#value = value;
			this.#version = version;
		}
	}
}
