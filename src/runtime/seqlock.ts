const HALF = 0x1_0000_0000;
/** Words of 4 bytes: the version first, then each number in two halves, since Atomics on 8 bytes would allocate a BigInt. */
const VERSION = 0;
const NUMBERS = 2;

/**
 * Safe integers in shared memory that one thread writes and any thread reads.
 *
 * A version makes readings consistent. It is odd while the writer is between `begin` and `end`. A reader that finds it odd, or
 * changed after reading, reads again.
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

	/** One number. It may be half written unless the version is even and stays the same meanwhile. */
	get(at: number): number {
		const word = NUMBERS + 2 * at;
		return (Atomics.load(this.#words, word) >>> 0) + (Atomics.load(this.#words, word + 1) >>> 0) * HALF;
	}

	/**
	 * One number that only grows, and that is set outside of `begin` and `end`. The result is never greater than what was set.
	 */
	getGrowing(at: number): number {
		// The low half is stored first. Reading the high half first can give a smaller number than was stored, never a greater one.
		const word = NUMBERS + 2 * at;
		const high = Atomics.load(this.#words, word + 1) >>> 0;
		return high * HALF + (Atomics.load(this.#words, word) >>> 0);
	}

	/** Called by the writer between `begin` and `end`, or at any time by the owner of a number that only grows. */
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

	/**
	 * Wakes the threads in `wait`; to be called after `end`. It costs as much as writing the numbers, so leave it out if no
	 * thread waits for them.
	 */
	wake(): void {
		Atomics.notify(this.#words, VERSION);
	}

	/** Resolves when the writer calls `wake`, or after `timeoutMs`; at once if the version is no longer `version`. */
	async wait(version: number, timeoutMs: number): Promise<void> {
		const waiting = Atomics.waitAsync(this.#words, VERSION, version, timeoutMs);
		if (waiting.async) await waiting.value;
	}
}

/** A value made from one consistent reading of a seqlock's numbers. All callers share it until the numbers change. */
export class SeqlockView<T> {
	readonly #numbers: Seqlock;
	readonly #read: (numbers: Seqlock) => T;
	#value: T;
	#version = -1;

	/** @param read makes the value; it may find half-written numbers, and its result is discarded then */
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
