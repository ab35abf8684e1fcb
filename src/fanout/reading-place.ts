import type { PublishedSpan, RecordBatch, RecordGap, RecordReader } from "../log/log.ts";
import { isMessageKind } from "../log/record/record.ts";

/**
 * A consumer's place in the log. It begins as a seq, since consumers know no lsn, or as the log's end. When the record of that seq is
 * found, the place is kept as an lsn.
 */
export class ReadingPlace {
	/** Lsn up to which all records are passed; null until the start is found. */
	#lsn: number | null;
	/** Seq of the last message passed, up to a gap that the consumer was not told of yet. At first the consumer's cursor. */
	#seq: number;
	/** Records after the last one passed are lost. The seq of the next message tells whether messages were among them. */
	#isAfterGap = false;

	/**
	 * @param cursor the consumer gets every message with a greater seq; or, if it is live, every message after `span`
	 * @param span the log as the consumer's request found it
	 */
	constructor(cursor: number | "live", { lastLsn, seqUsedMax }: PublishedSpan) {
		this.#lsn = cursor === "live" ? lastLsn : null;
		this.#seq = cursor === "live" ? seqUsedMax : cursor;
	}

	/** Lsn of the last record passed; null until the start is found. */
	get lsn(): number | null {
		return this.#lsn;
	}

	/** How many records the log has after this place. May be too high, since lsns leave numbers out. 0 until the start is found. */
	lag(lastLsn: number): number {
		return this.#lsn === null ? 0 : lastLsn - this.#lsn;
	}

	/** Lsn after which the consumer reads on. If the start has to be fetched first, a promise, as from `RecordReader.find`. */
	find(reader: RecordReader): number | Promise<void> {
		if (this.#lsn !== null) return this.#lsn;
		const found = reader.find({ seq: this.#seq });
		if (typeof found === "number") this.#lsn = found;
		return found;
	}

	/** Passes over lost records. */
	skip({ lastLsn }: RecordGap): void {
		this.#lsn = lastLsn;
		this.#isAfterGap = true;
	}

	/**
	 * To be called with each batch before any of its records is passed.
	 *
	 * @returns the seq of the batch's next message if messages right before it are lost; else null. Consumers are not told of lost control
	 * records.
	 */
	lostBefore(batch: RecordBatch): number | null {
		if (!this.#isAfterGap || this.#lsn === null) return null;
		let index = batch.indexAfter(this.#lsn);
		while (index < batch.count && !isMessageKind(batch.kind(index))) index++;
		if (index === batch.count) return null;
		this.#isAfterGap = false;
		const nextSeq = batch.seq(index);
		return nextSeq > this.#seq + 1 ? nextSeq : null;
	}

	/** Passes the records of a batch up to and including the one at `index`. */
	pass(batch: RecordBatch, index: number): void {
		this.#lsn = batch.lsn(index);
		if (!this.#isAfterGap) this.#seq = batch.seq(index);
	}
}
