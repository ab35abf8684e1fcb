/** Smaller chunks are as cheap to allocate, and rounding would waste more than it saves. */
const POOLED_BYTES_MIN = 64 * 1024;
/** Sizes are multiples of this, so that what one chunk leaves fits the next. */
const UNIT_BYTES = 32 * 1024;
const FREE_MAX = 4;

/**
 * Memory for chunks of the log, used again when they leave the reader's caches. Memory that is fresh for each chunk
 * would have to be taken from the system and cleared by it, which costs more than reading the file into it.
 */
export class BufferPool {
	readonly #free: ArrayBufferLike[] = [];

	/** Memory of `length` bytes, with whatever was in it. */
	take(length: number): Buffer {
		if (length < POOLED_BYTES_MIN) return Buffer.allocUnsafeSlow(length);
		const fitting = this.#free.findIndex((memory) => memory.byteLength >= length);
		const [memory] = fitting < 0 ? [] : this.#free.splice(fitting, 1);
		return Buffer.from(memory ?? new ArrayBuffer(Math.ceil(length / UNIT_BYTES) * UNIT_BYTES), 0, length);
	}

	/** Takes back memory that nobody reads any more. */
	give(bytes: Buffer): void {
		if (bytes.length < POOLED_BYTES_MIN) return;
		// The oldest one has been of no use for the longest time.
		if (this.#free.length >= FREE_MAX) this.#free.shift();
		this.#free.push(bytes.buffer);
	}
}
