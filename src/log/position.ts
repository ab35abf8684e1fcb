import { Seqlock, SeqlockView } from "../runtime/seqlock.ts";

/** The ends of the log, all at the same moment. */
export interface PositionSnapshot {
	/** No retained record has a lower lsn. 0 before the log is open. */
	firstLsn: number;
	/** Lsn of the last published record; `firstLsn - 1` or less if there is none. */
	lastLsn: number;
	/** Lsn up to which every published record is durable. In sync mode `write` it follows `lastLsn` with each sync. */
	durableLsn: number;
	/** The greatest lsn that may have been given out. After a start that left lsns out, it is above `lastLsn` until the next record. */
	lsnUsedMax: number;
	/** No retained message has a lower seq. */
	firstSeq: number;
	/** Seq of the last published message; `firstSeq - 1` or less if there is none. */
	lastSeq: number;
	/**
	 * The greatest seq that may have been given out: a cursor above it is in the future. After a start that left seqs out, it is
	 * above `lastSeq` until the next message.
	 */
	seqUsedMax: number;
	/** Time of the last published record, microseconds since 1970. */
	lastTimeUs: number;
}

/** The end of the log to wait for. */
export type LogEnd = "lastLsn" | "durableLsn";

const FIRST_LSN = 0;
const LAST_LSN = 1;
const DURABLE_LSN = 2;
const LSN_USED_MAX = 3;
const FIRST_SEQ = 4;
const LAST_SEQ = 5;
const SEQ_USED_MAX = 6;
const LAST_TIME_US = 7;
const NUMBER_COUNT = 8;

/** Makes the memory of a position. */
export function createPositionBuffer(): SharedArrayBuffer {
	return Seqlock.createBuffer(NUMBER_COUNT);
}

/**
 * How far the log is published, in shared memory. Readers on any thread wait for it. It says nothing of how the log is stored.
 */
export class LogPosition {
	readonly #numbers: Seqlock;
	readonly #view: SeqlockView<PositionSnapshot>;

	constructor(buffer: SharedArrayBuffer = createPositionBuffer()) {
		this.#numbers = new Seqlock(buffer);
		this.#view = new SeqlockView(this.#numbers, (numbers) => ({
			firstLsn: numbers.get(FIRST_LSN),
			lastLsn: numbers.get(LAST_LSN),
			durableLsn: numbers.get(DURABLE_LSN),
			lsnUsedMax: numbers.get(LSN_USED_MAX),
			firstSeq: numbers.get(FIRST_SEQ),
			lastSeq: numbers.get(LAST_SEQ),
			seqUsedMax: numbers.get(SEQ_USED_MAX),
			lastTimeUs: numbers.get(LAST_TIME_US),
		}));
	}

	get buffer(): SharedArrayBuffer {
		return this.#numbers.buffer;
	}

	/** The ends of the log. Callers share the object, which never changes: new ends come in a new object. */
	snapshot(): PositionSnapshot {
		return this.#view.value;
	}

	/** Publishes new ends. Only the log's writer calls it, after readers can find the records up to there. */
	publish(snapshot: PositionSnapshot): void {
		const numbers = this.#numbers;
		numbers.begin();
		numbers.set(FIRST_LSN, snapshot.firstLsn);
		numbers.set(LAST_LSN, snapshot.lastLsn);
		numbers.set(DURABLE_LSN, snapshot.durableLsn);
		numbers.set(LSN_USED_MAX, snapshot.lsnUsedMax);
		numbers.set(FIRST_SEQ, snapshot.firstSeq);
		numbers.set(LAST_SEQ, snapshot.lastSeq);
		numbers.set(SEQ_USED_MAX, snapshot.seqUsedMax);
		numbers.set(LAST_TIME_US, snapshot.lastTimeUs);
		numbers.end();
		numbers.wake();
	}

	/** Ends all waits, on every thread. Whoever wants to go on waiting waits again. */
	wake(): void {
		this.#numbers.wake();
	}

	/**
	 * Resolves at once if the log has got past `lsn`, else at the next publication, at a `wake`, or after `timeoutMs`. So the log need
	 * not have got past `lsn` then.
	 *
	 * @param timeoutMs may be `Infinity`: a wait without an end costs nothing
	 * @param end `durableLsn` to wait for durable records
	 */
	async wait(lsn: number, timeoutMs: number, end: LogEnd = "lastLsn"): Promise<void> {
		const version = this.#numbers.version();
		if (this.snapshot()[end] > lsn) return;
		await this.#numbers.wait(version, timeoutMs);
	}
}
