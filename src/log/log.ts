// log/: the log as its users know it: positions, records, readers, the sequencer. How it is stored is in local/.

import type { Batch, Gap } from "./record/batch.ts";
import { RECORD_BYTES_MAX } from "./record/record.ts";

/**
 * The interfaces of the log, for the sequencer that appends to it and for its readers. They say nothing of how it is stored:
 * `log/local/` stores it in files of this machine.
 */

/** A batch gets no more records once it has this many bytes. Its last record may exceed it. */
export const BATCH_BYTES = 4 * 1024 * 1024;
/** The longest batch. */
export const BATCH_BYTES_MAX = BATCH_BYTES + RECORD_BYTES_MAX;

/** Consecutive records, to be appended as one. */
export interface UnsealedBatch {
	/** One record right after the other, without seals (`writeRecordHeader`). The log may write the seals into these bytes. */
	bytes: Buffer;
	firstLsn: number;
	lastLsn: number;
	/** Seq of the last message in the batch; if all its records are control records, of the last one before it. */
	lastSeq: number;
	/** Earliest time for the record after the batch, in microseconds since 1970. Each op of the last record has its own time. */
	endTimeUs: number;
}

/** What the sequencer needs of the log. */
export interface AppendLog {
	/** Lsn that the next batch begins with. Read it after `prepare`, which may append records of the log's own. */
	readonly nextLsn: number;
	/** Seq that the next message gets. */
	readonly nextSeq: number;
	/** Lsn up to which all published records are durable. It may grow at any time. */
	readonly durableLsn: number;
	/** Time for the next record, in microseconds since 1970. It is after the last record's, whatever the clock does. */
	timeUs(): number;
	/** Does what has to be done between batches. Call it before each new batch. False if no batch may be made now. */
	prepare(): boolean;
	/**
	 * Appends a batch that begins with `nextLsn`, and publishes it as a whole. False if that can't be done now: then nothing of
	 * it is published, and the caller must pass the same batch again until it is taken. A log that has to wait answers with a
	 * promise. Call nothing else before the promise is settled.
	 *
	 * @throws a failure that waiting can't cure: then the log takes nothing more, and the process must stop
	 */
	append(batch: UnsealedBatch): boolean | Promise<boolean>;
}

/** What the sequencer's thread needs of the log in addition. */
export interface Log extends AppendLog {
	/**
	 * Does what is due by the clock. Call it after each step. Returns after how many milliseconds the next step and the next call must
	 * follow, if nothing causes them before.
	 */
	keepUp(): number;
	/** Whether work off this thread is under way that has to end before `close`. */
	readonly isBusy: boolean;
	/** Lets the next try after a failure come at once. */
	retryNow(): void;
	/** Makes everything durable, publishes that, and closes the log. If it fails, the next start finds the log as after a crash. */
	close(): void;
}

/** How far the log is published, such as `LogPosition`. */
export interface Position {
	snapshot(): PublishedSpan;
	/** Resolves when a record with an lsn above `lsn` is published, or after `timeoutMs`, which may be `Infinity`. It may resolve earlier. */
	wait(lsn: number, timeoutMs: number): Promise<void>;
	/** Ends all waits. */
	wake(): void;
}

/** A record's numbers, or limits of both. */
export interface LogNumbers {
	lsn: number;
	seq: number;
}

/** What the log holds, in the numbers that consumers see. */
export interface LogSpan {
	/** No retained message has a lower seq. */
	firstSeq: number;
	/** Seq of the last published message. */
	lastSeq: number;
	/** The greatest seq that may have been given out. After a start that left seqs out, it is above `lastSeq` until the next message. */
	seqUsedMax: number;
}

/** The same, with the lsns of its records. */
export interface PublishedSpan extends LogSpan {
	/** No retained record has a lower lsn. */
	firstLsn: number;
	/** Lsn of the last published record. */
	lastLsn: number;
}

/**
 * Where a reader wants to begin: after the message with this seq, or with the first record of this time (microseconds since
 * 1970) or a later one.
 */
export type LogPlace = { readonly seq: number } | { readonly timeUs: number };

/** Reads the log by cursor, such as `BackgroundReader`. */
export interface RecordReader {
	/**
	 * The records right after the lsn `cursor`, at least one; or a gap there; or null if the log ends at `cursor`. They are valid
	 * until the next call. If they have to be fetched first, a promise that resolves when that is done: then call again.
	 *
	 * If they can't be fetched, the promise rejects. A read fails in no other way. The caller may drop the promise.
	 */
	read(cursor: number): RecordBatch | RecordGap | Promise<void> | null;
	/**
	 * The cursor to read from for this place: after it, the next message is the first with a greater seq, or the next record is
	 * the first with that time or a later one. For a place after the last record, it is that record's lsn. For a time before the
	 * first retained record, it is one less than that record's lsn. For a seq from which messages are no longer retained, the
	 * next `read` gives the gap. A promise means the same as one of `read`.
	 */
	find(place: LogPlace): number | Promise<void>;
}

/** Consecutive records, shared by all consumers that read there. */
export interface RecordBatch {
	readonly count: number;
	/** Index of the first record with an lsn greater than `cursor`; `count` if there is none. */
	indexAfter(cursor: number): number;
	lsn(index: number): number;
	/** A message's own seq; a control record has that of the last message before it. */
	seq(index: number): number;
	kind(index: number): number;
	/** The DID of a message; not for control records. */
	did(index: number): string;
	/** The frame as it goes over the wire. */
	frame(index: number): Uint8Array;
}

/** Records between the cursor and `nextLsn` are lost or no longer retained. */
export interface RecordGap {
	readonly nextLsn: number;
	/** One less than `nextLsn`: the cursor to go on with. */
	readonly lastLsn: number;
}

/** A reader for the many consumers of a thread: what has to be fetched is fetched off this thread. */
export interface SharedReader extends RecordReader {
	/** Frees what is held for records that are no longer retained, such as disk space. Call it now and then. */
	closeRemoved(): void;
	close(): void;
}

/** A reader for a thread that may wait. */
export interface BlockingReader {
	/**
	 * As `RecordReader.read`, but it waits for what has to be fetched.
	 *
	 * @throws Error if it can't be had
	 */
	read(cursor: number): Batch | Gap | null;
	/** As `RecordReader.find`, but it waits for what has to be fetched. */
	find(place: LogPlace): number;
	close(): void;
}
