// log/: the log as its users know it: positions, records, readers, the sequencer. How it is stored is in local/.

import type { Batch, Gap } from "./record/batch.ts";

/**
 * The log as its users know it: what the sequencer appends to and readers read from, without a word on how it is stored.
 * `log/local/` is the log in files of this machine.
 */

/** Consecutive records, to be appended as one. */
export interface UnsealedBatch {
	/**
	 * One record right after the other, as `writeRecordHeader` leaves them. What their seals say is the log's business: it may
	 * write them into these bytes.
	 */
	bytes: Buffer;
	firstSeq: number;
	lastSeq: number;
	/** Time of the last record, microseconds since 1970. */
	timeUs: number;
}

/** What the sequencer needs of the log. */
export interface AppendLog {
	/** Seq for the next batch to begin with. */
	readonly nextSeq: number;
	/** Up to here, all published records are durable. It may grow at any time. */
	readonly durableSeq: number;
	/** Time for the next batch, microseconds since 1970: never before the last one's, whatever the clock does. */
	timeUs(): number;
	/** To be called before each new batch, for what has to be done between batches. False if none may be made now. */
	prepare(): boolean;
	/**
	 * Appends a batch that begins with `nextSeq`, and publishes it as a whole. False if that can't be done now: then nothing of
	 * it is published, and the same batch has to come again until it is taken. One at a time: a log that has to wait answers
	 * with a promise, and is asked for nothing else before that is settled.
	 *
	 * @throws what can't be waited for: then the log takes nothing more, and the process must stop
	 */
	append(batch: UnsealedBatch): boolean | Promise<boolean>;
}

/** What the sequencer's thread needs of the log besides. */
export interface Log extends AppendLog {
	/** Does what is due by the clock. To be called after each step, and several times a second without any. */
	keepUp(): void;
	/** Whether something is under way off this thread that has to end before `close`. */
	readonly isBusy: boolean;
	/** Lets what failed be tried again at once. */
	retryNow(): void;
	/** Makes everything durable, says so, and gives the log up. What it does not manage, the next start finds as after a crash. */
	close(): void;
}

/** How far the log is published, such as `LogPosition`. */
export interface Position {
	snapshot(): LogSpan;
	/** Resolves when something with a seq above `seq` is published, or after `timeoutMs`, or earlier. */
	wait(seq: number, timeoutMs: number): Promise<void>;
}

export interface LogSpan {
	/** No retained record has a lower seq. */
	firstSeq: number;
	/** Seq of the last published record. */
	lastSeq: number;
	/** The greatest seq ever given out. Greater than `lastSeq` only between a crash and the next record. */
	seqUsedMax: number;
}

/** Reads the log by cursor, such as `BackgroundReader`. */
export interface RecordReader {
	/**
	 * Records right after `cursor`, at least one; or a gap there; or null if the log ends at `cursor`. Valid until the next
	 * call. If they have to be fetched first, a promise that resolves when they were: then call again.
	 *
	 * What can't be had makes the promise reject: that is the only way in which a read fails. Nobody has to await the promise.
	 */
	read(cursor: number): RecordBatch | RecordGap | Promise<void> | null;
}

/** Consecutive records, shared by all who read here. */
export interface RecordBatch {
	readonly count: number;
	/** Index of the first record with a seq greater than `cursor`; `count` if there is none. */
	indexAfter(cursor: number): number;
	seq(index: number): number;
	kind(index: number): number;
	/** The DID of a `commit` or `sync` record. */
	repoDid(index: number): string;
	/** The frame as it goes over the wire. */
	frame(index: number): Uint8Array;
}

/** Records between the cursor and `nextSeq` are lost or no longer retained. */
export interface RecordGap {
	readonly nextSeq: number;
}

/** A reader that a thread has opened for many consumers: what has to be fetched is fetched off this thread. */
export interface SharedReader extends RecordReader {
	/** Gives back what is held for records that are not retained any more, such as the disk's space. To be called now and then. */
	closeRemoved(): void;
	close(): void;
}

/** A reader that a thread has opened for itself, since it may wait. */
export interface BlockingReader {
	/**
	 * As `RecordReader.read`, but what has to be fetched is waited for.
	 *
	 * @throws Error if it can't be had
	 */
	read(cursor: number): Batch | Gap | null;
	close(): void;
}
