// log/: the log as its users know it: positions, records, readers, the sequencer. How it is stored is in local/.

import type { Batch, Gap } from "./record/batch.ts";
import { RECORD_BYTES_MAX } from "./record/record.ts";

/**
 * The log as its users know it: what the sequencer appends to and readers read from, without a word on how it is stored.
 * `log/local/` is the log in files of this machine.
 */

/** Records of a batch end when it has this many bytes; the last one may reach over it. */
export const BATCH_BYTES = 4 * 1024 * 1024;
/** The longest batch. */
export const BATCH_BYTES_MAX = BATCH_BYTES + RECORD_BYTES_MAX;

/** Consecutive records, to be appended as one. */
export interface UnsealedBatch {
	/**
	 * One record right after the other, as `writeRecordHeader` leaves them. What their seals say is the log's business: it may
	 * write them into these bytes.
	 */
	bytes: Buffer;
	firstLsn: number;
	lastLsn: number;
	/** Seq of the last message up to the batch's end: its own, or one from before it if all its records are control records. */
	lastSeq: number;
	/** The least time for the record after the batch, microseconds since 1970: each op of the last record has one of its own. */
	endTimeUs: number;
}

/** What the sequencer needs of the log. */
export interface AppendLog {
	/** Lsn for the next batch to begin with. To be asked after `prepare`, since the log may append records of its own there. */
	readonly nextLsn: number;
	/** Seq for the next message. */
	readonly nextSeq: number;
	/** Lsn up to which all published records are durable. It may grow at any time. */
	readonly durableLsn: number;
	/** The least time for the next record, microseconds since 1970: after the last one's, whatever the clock does. */
	timeUs(): number;
	/** To be called before each new batch, for what has to be done between batches. False if none may be made now. */
	prepare(): boolean;
	/**
	 * Appends a batch that begins with `nextLsn`, and publishes it as a whole. False if that can't be done now: then nothing of
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
	snapshot(): PublishedSpan;
	/** Resolves when something with an lsn above `lsn` is published, or after `timeoutMs`, or earlier. */
	wait(lsn: number, timeoutMs: number): Promise<void>;
}

/** What the log holds, in the numbers that consumers see. */
export interface LogSpan {
	/** No retained message has a lower seq. */
	firstSeq: number;
	/** Seq of the last published message. */
	lastSeq: number;
	/** The greatest seq ever given out. Greater than `lastSeq` only between a crash and the next message. */
	seqUsedMax: number;
}

/** The same, with the addresses of its records. */
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
	 * Records right after the lsn `cursor`, at least one; or a gap there; or null if the log ends at `cursor`. Valid until the next
	 * call. If they have to be fetched first, a promise that resolves when they were: then call again.
	 *
	 * What can't be had makes the promise reject: that is the only way in which a read fails. Nobody has to await the promise.
	 */
	read(cursor: number): RecordBatch | RecordGap | Promise<void> | null;
	/**
	 * The lsn to read from for this place: then the next message is the first with a greater seq, or the next record is the first
	 * with that time or a later one. Before the first retained record it is one less than that one's lsn; after the last, the
	 * last one's. A promise means the same as one of `read`.
	 */
	find(place: LogPlace): number | Promise<void>;
}

/** Consecutive records, shared by all who read here. */
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
	/** The one before `nextLsn`: go on with it as the cursor. */
	readonly lastLsn: number;
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
	/** As `RecordReader.find`, but what has to be fetched is waited for. */
	find(place: LogPlace): number;
	close(): void;
}
