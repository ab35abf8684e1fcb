import { Seqlock, SeqlockView } from "../runtime/seqlock.ts";

/** How far the log is, all of one moment. */
export interface PositionSnapshot {
	/** No retained record has a lower seq. 0 before the log is open. */
	firstSeq: number;
	/** Seq of the last published record; `firstSeq - 1` or less if there is none. */
	lastSeq: number;
	/**
	 * The greatest seq that may ever have been given out: a cursor above it is in the future. It is `lastSeq`, but for the
	 * time between a crash, after which some seqs are left out, and the next record.
	 */
	seqUsedMax: number;
	/** Time of the last published record, microseconds since 1970. */
	lastTimeUs: number;
	/** Up to here, every published record is durable. In sync mode `write` it is less than `lastSeq` for up to a moment. */
	durableSeq: number;
}

/** Which end of the log somebody waits for. */
export type LogEnd = "lastSeq" | "durableSeq";

const FIRST_SEQ = 0;
const LAST_SEQ = 1;
const SEQ_USED_MAX = 2;
const LAST_TIME_US = 3;
const DURABLE_SEQ = 4;
const NUMBER_COUNT = 5;

/** Makes the memory of a position. */
export function createPositionBuffer(): SharedArrayBuffer {
	return Seqlock.createBuffer(NUMBER_COUNT);
}

/**
 * How far the log is published, in shared memory. Readers on any thread wait for this and nothing else, and it says nothing
 * of how the log is stored.
 */
export class LogPosition {
	readonly #numbers: Seqlock;
	readonly #view: SeqlockView<PositionSnapshot>;

	constructor(buffer: SharedArrayBuffer = createPositionBuffer()) {
		this.#numbers = new Seqlock(buffer);
		this.#view = new SeqlockView(this.#numbers, (numbers) => ({
			firstSeq: numbers.get(FIRST_SEQ),
			lastSeq: numbers.get(LAST_SEQ),
			seqUsedMax: numbers.get(SEQ_USED_MAX),
			lastTimeUs: numbers.get(LAST_TIME_US),
			durableSeq: numbers.get(DURABLE_SEQ),
		}));
	}

	get buffer(): SharedArrayBuffer {
		return this.#numbers.buffer;
	}

	/** The state of the log. The object is shared and replaced, never changed. */
	snapshot(): PositionSnapshot {
		return this.#view.value;
	}

	/** Publishes a new state. Only the log's writer calls it, when readers can find what the state tells of. */
	publish(snapshot: PositionSnapshot): void {
		const numbers = this.#numbers;
		numbers.begin();
		numbers.set(FIRST_SEQ, snapshot.firstSeq);
		numbers.set(LAST_SEQ, snapshot.lastSeq);
		numbers.set(SEQ_USED_MAX, snapshot.seqUsedMax);
		numbers.set(LAST_TIME_US, snapshot.lastTimeUs);
		numbers.set(DURABLE_SEQ, snapshot.durableSeq);
		numbers.end();
		numbers.wake();
	}

	/**
	 * Resolves when something with a seq above `seq` is published, at the next publication, or after `timeoutMs`.
	 *
	 * @param end `durableSeq` to wait for what is durable, too
	 */
	async wait(seq: number, timeoutMs: number, end: LogEnd = "lastSeq"): Promise<void> {
		const version = this.#numbers.version();
		if (this.snapshot()[end] > seq) return;
		await this.#numbers.wait(version, timeoutMs);
	}
}
