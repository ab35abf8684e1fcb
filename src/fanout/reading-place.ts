import type { PublishedSpan, RecordBatch, RecordGap, RecordReader } from "../log/log.ts";
import { isMessageKind } from "../log/record/record.ts";

/**
 * Where a consumer is in the log. It begins with a seq, which is what consumers know, or at the log's end. Once the record
 * that this stands for is found, the consumer goes by lsn.
 */
export class ReadingPlace {
	/** All records up to here are passed; null until the start is found. */
	#lsn: number | null;
	/** Of the last message passed before any gap that was not told of, or the consumer's cursor. */
	#seq: number;
	/** Records after the last one passed can't be had: the next message tells whether messages were among them. */
	#isAfterGap = false;

	/**
	 * @param cursor the consumer gets every message with a greater seq; or every message after `span`
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

	/** How many records the log has after this place, or a few more; 0 until the start is found. */
	lag(lastLsn: number): number {
		return this.#lsn === null ? 0 : lastLsn - this.#lsn;
	}

	/** The lsn to read after. A promise if the start has to be fetched first, as `RecordReader.find` gives it. */
	find(reader: RecordReader): number | Promise<void> {
		if (this.#lsn !== null) return this.#lsn;
		const found = reader.find({ seq: this.#seq });
		if (typeof found === "number") this.#lsn = found;
		return found;
	}

	/** Passes over records that can't be had. */
	skip({ lastLsn }: RecordGap): void {
		this.#lsn = lastLsn;
		this.#isAfterGap = true;
	}

	/**
	 * To be called with each batch before any of its records is passed.
	 *
	 * @returns the next message's seq, if messages right before it can't be had; else null. Control records that can't be had
	 * are nothing to a consumer.
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

	/** Passes over the records of a batch up to this one. */
	pass(batch: RecordBatch, index: number): void {
		this.#lsn = batch.lsn(index);
		if (!this.#isAfterGap) this.#seq = batch.seq(index);
	}
}
