/**
 * The log as its users know it: what the sequencer appends to, without a word on how it is stored.
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
