/** Messages whose times are kept: those of half a minute at 2,000 a second. A power of two. */
export const MESSAGE_TIMES_MAX = 65_536;

const LSN = 0;
const RECEIVED = 1;
const HANDED_OVER = 2;
const PUBLISHED = 3;
const SLOT_NUMBERS = 4;
const NUMBERS_BYTES = MESSAGE_TIMES_MAX * SLOT_NUMBERS * Float64Array.BYTES_PER_ELEMENT;

/** Makes the memory of the times: 2 MiB, of which the system gives only what is used. */
export function createMessageTimesBuffer(): SharedArrayBuffer {
	return new SharedArrayBuffer(NUMBERS_BYTES + MESSAGE_TIMES_MAX);
}

/**
 * When the latest messages passed the stages of the relay, by lsn, in shared memory. The log does not hold these times, and the fan-out threads
 * need them to tell how long messages took. The sequencer writes them, without locks: a reader finds the times of a message or nothing. All are
 * of `steadyMs`.
 */
export class MessageTimes {
	readonly #numbers: Float64Array;
	/** 1 for each slot whose message is traced. */
	readonly #traced: Uint8Array;

	constructor(buffer: SharedArrayBuffer = createMessageTimesBuffer()) {
		this.#numbers = new Float64Array(buffer, 0, MESSAGE_TIMES_MAX * SLOT_NUMBERS);
		this.#traced = new Uint8Array(buffer, NUMBERS_BYTES);
	}

	/** Notes a message that is about to be published. The times of a much older one are overwritten. */
	note(lsn: number, receivedMs: number, handedOverMs: number, isTraced = false): void {
		const at = slotOf(lsn);
		const numbers = this.#numbers;
		numbers[at + LSN] = 0;
		numbers[at + RECEIVED] = receivedMs;
		numbers[at + HANDED_OVER] = handedOverMs;
		numbers[at + PUBLISHED] = 0;
		this.#traced[lsn % MESSAGE_TIMES_MAX] = isTraced ? 1 : 0;
		numbers[at + LSN] = lsn;
	}

	/** Notes that a message is published. Does nothing if it was not noted before. */
	notePublished(lsn: number, publishedMs: number): void {
		const at = slotOf(lsn);
		if (this.#numbers[at + LSN] === lsn) this.#numbers[at + PUBLISHED] = publishedMs;
	}

	/** When it was received; 0 if that is not known, as for control records. */
	receivedMs(lsn: number): number {
		return this.#read(lsn, RECEIVED);
	}

	/** When the thread of its DID handed it to the sequencer; 0 if that is not known. */
	handedOverMs(lsn: number): number {
		return this.#read(lsn, HANDED_OVER);
	}

	/** When it was published. 0 if that is not known, or if it was published only just now. */
	publishedMs(lsn: number): number {
		return this.#read(lsn, PUBLISHED);
	}

	/** Whether it is traced. False if it was noted too long ago. */
	isTraced(lsn: number): boolean {
		return this.#traced[lsn % MESSAGE_TIMES_MAX] === 1 && this.#numbers[slotOf(lsn) + LSN] === lsn;
	}

	#read(lsn: number, number: number): number {
		const at = slotOf(lsn);
		const numbers = this.#numbers;
		if (numbers[at + LSN] !== lsn) return 0;
		const timeMs = numbers[at + number] ?? 0;
		// The slot may have been given to another message meanwhile.
		return numbers[at + LSN] === lsn ? timeMs : 0;
	}
}

function slotOf(lsn: number): number {
	return (lsn % MESSAGE_TIMES_MAX) * SLOT_NUMBERS;
}
