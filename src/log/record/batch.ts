import { decodeDid } from "./facts.ts";
import { firstAfter } from "./first-after.ts";
import { type RecordKind, recordFacts, recordFrame, recordKind, recordSeq, recordTimeUs } from "./record.ts";
import { decodeRecord, type StoredRecord } from "./stored-record.ts";

/** The records right after a cursor are gone: removed by retention, or damaged. Go on with the cursor `lastLsn`. */
export class Gap {
	/** The next record that is there has this lsn or a greater one. */
	readonly nextLsn: number;

	constructor(nextLsn: number) {
		this.nextLsn = nextLsn;
	}

	get lastLsn(): number {
		return this.nextLsn - 1;
	}
}

/**
 * Consecutive records, whose checksums were right. Many consumers share one. It is valid until the next call to the reader,
 * whichever consumer makes it: then its memory may be used again.
 */
export class Batch {
	readonly firstLsn: number;
	readonly lastLsn: number;
	/** The records as they stand in the segment. */
	readonly bytes: Buffer;
	readonly #lsns: Float64Array;
	/** Offsets of the records in `bytes`, and their end. */
	readonly #offsets: Uint32Array;
	readonly #frames: (Buffer | undefined)[] = [];

	/**
	 * @param lsns of the records, at least one
	 * @param offsets of the records, and of their end
	 */
	constructor(bytes: Buffer, lsns: readonly number[], offsets: readonly number[]) {
		this.bytes = bytes;
		this.#lsns = Float64Array.from(lsns);
		this.#offsets = Uint32Array.from(offsets);
		this.firstLsn = this.lsn(0);
		this.lastLsn = this.lsn(lsns.length - 1);
	}

	get count(): number {
		return this.#lsns.length;
	}

	lsn(i: number): number {
		const lsn = this.#lsns[i];
		if (lsn === undefined) throw new RangeError(`the batch has no record ${i}`);
		return lsn;
	}

	seq(i: number): number {
		return recordSeq(this.bytes, this.#offset(i));
	}

	/** Microseconds since 1970. */
	timeUs(i: number): number {
		return recordTimeUs(this.bytes, this.#offset(i));
	}

	kind(i: number): RecordKind {
		return recordKind(this.bytes, this.#offset(i));
	}

	/** The record's frame; empty for control records. Each call returns the same view. */
	frame(i: number): Buffer {
		const known = this.#frames[i];
		if (known !== undefined) return known;
		const frame = recordFrame(this.bytes, this.#offset(i), this.#length(i));
		this.#frames[i] = frame;
		return frame;
	}

	/** The DID of a message; not for control records. */
	did(i: number): string {
		return decodeDid(recordFacts(this.bytes, this.#offset(i)));
	}

	record(i: number): StoredRecord {
		return decodeRecord(this.bytes, this.#offset(i), this.#length(i));
	}

	/** Index of the first record with an lsn above `cursor`; `count` if there is none. */
	indexAfter(cursor: number): number {
		return firstAfter(this.#lsns, this.count, cursor);
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
