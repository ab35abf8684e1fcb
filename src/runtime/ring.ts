/**
 * A byte ring between two threads: one writes, one reads, over shared memory and without locks.
 *
 * A record is a u32 length and that many bytes, aligned to 8. It never wraps: if it does not fit before the end of the memory,
 * a skip mark is written there and the record starts at 0. The writer's records become visible together, at `publish`; the
 * reader gives space back together, at `release`. Positions count bytes since the start and only grow, so a position names a
 * record for good: the sequencer reports how far a ring is durable as such a position.
 */

const READ_POSITION = 0;
const WRITE_POSITION = 1;
/** A third position, by which the reader reports how far the records are durable: see `acknowledge`. */
const ACKNOWLEDGED_POSITION = 2;
const CONTROL_BYTES = 64;
const SKIP = 0xffffffff;

/** The smallest capacity of a ring. */
export const RING_BYTES_MIN = 1_024;

/** Makes the memory of a ring. `capacityBytes` is a power of two; a record may take up to half of it. */
export function createRingBuffer(capacityBytes: number): SharedArrayBuffer {
	if (capacityBytes < RING_BYTES_MIN || (capacityBytes & (capacityBytes - 1)) !== 0) {
		throw new RangeError(`ring capacity must be a power of two from ${RING_BYTES_MIN}, not ${capacityBytes}`);
	}
	return new SharedArrayBuffer(CONTROL_BYTES + capacityBytes);
}

/** Bytes of a ring that are filled, published or read and not yet released, and how many it has room for. Any thread may ask. */
export function ringFill(buffer: SharedArrayBuffer): { usedBytes: number; capacityBytes: number } {
	const control = new BigInt64Array(buffer, 0, CONTROL_BYTES / 8);
	// The reading end first: it can't be beyond what the writing end has published by then.
	const read = Atomics.load(control, READ_POSITION);
	const written = Atomics.load(control, WRITE_POSITION);
	const capacityBytes = buffer.byteLength - CONTROL_BYTES;
	return { usedBytes: Math.min(Number(written - read), capacityBytes), capacityBytes };
}

class Ring {
	protected readonly control: BigInt64Array;
	protected readonly bytes: Buffer;
	protected readonly lengths: Uint32Array;
	readonly capacityBytes: number;

	constructor(buffer: SharedArrayBuffer) {
		this.capacityBytes = buffer.byteLength - CONTROL_BYTES;
		this.control = new BigInt64Array(buffer, 0, CONTROL_BYTES / 8);
		this.bytes = Buffer.from(buffer, CONTROL_BYTES, this.capacityBytes);
		this.lengths = new Uint32Array(buffer, CONTROL_BYTES, this.capacityBytes / 4);
	}

	protected load(word: number): number {
		return Number(Atomics.load(this.control, word));
	}

	protected store(word: number, position: number): void {
		Atomics.store(this.control, word, BigInt(position));
	}

	/** The position that the reader has acknowledged: all records up to it are done for good. Either end may read it. */
	acknowledged(): number {
		return this.load(ACKNOWLEDGED_POSITION);
	}
}

/** The writing end. */
export class RingWriter extends Ring {
	#write = this.load(WRITE_POSITION);
	#published = this.#write;
	#read = this.load(READ_POSITION);

	/** Position after the last reserved record. The record is done for good when `acknowledged()` has reached it. */
	get position(): number {
		return this.#write;
	}

	/** The longest record this ring takes. */
	get recordBytesMax(): number {
		return this.capacityBytes / 2 - 8;
	}

	/**
	 * Reserves a record and returns its bytes for the caller to fill at once, or null if the ring is full for now. The record is
	 * sent by the next `publish`.
	 *
	 * @throws RangeError if `length` is more than `recordBytesMax`
	 */
	reserve(length: number): Buffer | null {
		if (length > this.recordBytesMax) throw new RangeError(`a record of ${length} bytes does not fit this ring`);
		const size = (4 + length + 7) & ~7;
		let offset = this.#write & (this.capacityBytes - 1);
		const tail = this.capacityBytes - offset;
		const skipped = tail < size ? tail : 0;
		if (!this.#hasRoom(skipped + size)) return null;
		if (skipped > 0) {
			this.lengths[offset >>> 2] = SKIP;
			this.#write += skipped;
			offset = 0;
		}
		this.lengths[offset >>> 2] = length;
		this.#write += size;
		return this.bytes.subarray(offset + 4, offset + 4 + length);
	}

	/** Makes all reserved records visible. Returns whether there were any. If so, the caller must ring the reader's doorbell. */
	publish(): boolean {
		if (this.#published === this.#write) return false;
		this.store(WRITE_POSITION, this.#write);
		this.#published = this.#write;
		return true;
	}

	#hasRoom(bytes: number): boolean {
		if (this.#write + bytes - this.#read <= this.capacityBytes) return true;
		this.#read = this.load(READ_POSITION);
		return this.#write + bytes - this.#read <= this.capacityBytes;
	}
}

/** The reading end. */
export class RingReader extends Ring {
	#read = this.load(READ_POSITION);
	#end = this.#read;

	/** Position after the last record read. */
	get position(): number {
		return this.#read;
	}

	/** The next record, a view that stays valid until `release`, or null if there is none. */
	next(): Buffer | null {
		if (this.#read === this.#end) {
			this.#end = this.load(WRITE_POSITION);
			if (this.#read === this.#end) return null;
		}
		let offset = this.#read & (this.capacityBytes - 1);
		let length = this.#lengthAt(offset);
		if (length === SKIP) {
			this.#read += this.capacityBytes - offset;
			offset = 0;
			length = this.#lengthAt(0);
		}
		this.#read += (4 + length + 7) & ~7;
		return this.bytes.subarray(offset + 4, offset + 4 + length);
	}

	/** Gives the space of all records read so far back to the writer. */
	release(): void {
		this.store(READ_POSITION, this.#read);
	}

	/** Reports that all records up to `position` are done for good. */
	acknowledge(position: number): void {
		this.store(ACKNOWLEDGED_POSITION, position);
	}

	#lengthAt(offset: number): number {
		const length = this.lengths[offset >>> 2];
		if (length === undefined) throw new RangeError("ring offset out of range");
		return length;
	}
}
