import { decodeRepoDid } from "./facts.ts";
import { firstAfter } from "./first-after.ts";
import { type RecordKind, recordFacts, recordFrame, recordKind } from "./record.ts";
import { decodeRecord, type StoredRecord } from "./stored-record.ts";

/** The records right behind a cursor are gone: removed by retention, or damaged. Go on with the cursor `nextSeq - 1`. */
export class Gap {
	readonly nextSeq: number;

	constructor(nextSeq: number) {
		this.nextSeq = nextSeq;
	}

	get lastSeq(): number {
		return this.nextSeq - 1;
	}
}

/** Consecutive records, checked. Many consumers share one, each until its next `read`: then its memory may be used again. */
export class Batch {
	readonly firstSeq: number;
	readonly lastSeq: number;
	/** The records as they stand in the segment. */
	readonly bytes: Buffer;
	readonly #seqs: Float64Array;
	/** Offsets of the records in `bytes`, and their end. */
	readonly #offsets: Uint32Array;
	readonly #frames: (Buffer | undefined)[] = [];

	/** @param offsets one more than `seqs`, which are at least one */
	constructor(bytes: Buffer, seqs: readonly number[], offsets: readonly number[]) {
		this.bytes = bytes;
		this.#seqs = Float64Array.from(seqs);
		this.#offsets = Uint32Array.from(offsets);
		this.firstSeq = this.seq(0);
		this.lastSeq = this.seq(seqs.length - 1);
	}

	get count(): number {
		return this.#seqs.length;
	}

	seq(i: number): number {
		const seq = this.#seqs[i];
		if (seq === undefined) throw new RangeError(`the batch has no record ${i}`);
		return seq;
	}

	kind(i: number): RecordKind {
		return recordKind(this.bytes, this.#offset(i));
	}

	/** The record's frame; empty for control records. The same view every time. */
	frame(i: number): Buffer {
		const known = this.#frames[i];
		if (known !== undefined) return known;
		const frame = recordFrame(this.bytes, this.#offset(i), this.#length(i));
		this.#frames[i] = frame;
		return frame;
	}

	/** The DID of a `commit` or `sync` record. */
	repoDid(i: number): string {
		return decodeRepoDid(recordFacts(this.bytes, this.#offset(i)));
	}

	record(i: number): StoredRecord {
		return decodeRecord(this.bytes, this.#offset(i), this.#length(i));
	}

	/** Index of the first record with a seq above `cursor`; `count` where there is none. */
	indexAfter(cursor: number): number {
		return firstAfter(this, this.count, cursor);
	}

	#offset(i: number): number {
		const offset = this.#offsets[i];
		if (offset === undefined) throw new RangeError(`the batch has no record ${i}`);
		return offset;
	}

	#length(i: number): number {
		return this.#offset(i + 1) - this.#offset(i);
	}
}
