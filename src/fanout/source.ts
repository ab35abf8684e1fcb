/**
 * What the fan-out needs of the log: its end, and its records in order. A consumer is `{cursor, socket}` and knows nothing
 * of segments, caches or threads.
 */

/** The published end of the log, such as `LogPosition`. */
export interface SourceHead {
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
export interface SourceReader {
	/**
	 * Records right after `cursor`, at least one; or a hole there; or null where the log ends at `cursor`. Valid until the
	 * next call. If they have to be fetched first, a promise that resolves when they were: then call again.
	 *
	 * What can't be had makes the promise reject: that is the only way in which a read fails. Nobody has to await the promise.
	 */
	read(cursor: number): SourceBatch | SourceGap | Promise<void> | null;
}

/** Consecutive records, shared by all consumers that read here. */
export interface SourceBatch {
	readonly count: number;
	/** Index of the first record with a seq greater than `cursor`; `count` where there is none. */
	indexAfter(cursor: number): number;
	seq(index: number): number;
	kind(index: number): number;
	/** The DID of a `commit` or `sync` record. */
	repoDid(index: number): string;
	/** The frame as it goes over the wire. */
	frame(index: number): Uint8Array;
}

/** Records between the cursor and `nextSeq` are lost or no longer retained. */
export interface SourceGap {
	readonly nextSeq: number;
}
