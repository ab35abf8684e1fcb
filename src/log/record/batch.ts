import { MemorySource, scanRecords } from "../local/recovery/scan.ts";
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

/** A stretch of a segment as it was read: one batch, or where it is damaged, batches and gaps. */
export interface Stretch {
	parts: (Batch | Gap)[];
	/** Offsets, in the segment, of damage that was found. */
	damage: number[];
	/** As they were read. */
	bytes: Buffer;
}

/**
 * Reads a stretch of a segment that begins and ends with a record.
 *
 * @param base offset of `bytes` in the segment
 * @param seqMax no record of the stretch has a greater seq, and the one behind it has
 */
export function parseStretch(bytes: Buffer, base: number, epoch: number, seqMax: number): Stretch {
	const parts: (Batch | Gap)[] = [];
	const damage: number[] = [];
	let seqs: number[] = [];
	let offsets: number[] = [];
	let end = 0;
	let afterDamage = false;
	const finishBatch = (): void => {
		if (seqs.length > 0) parts.push(new Batch(bytes, seqs, [...offsets, end]));
		seqs = [];
		offsets = [];
	};
	const source = new MemorySource(bytes, base);
	const intactEnd = scanRecords(
		source,
		{ start: base, epoch, seqAfter: 0, seqMax },
		{
			record(offset, length, seq) {
				if (afterDamage) parts.push(new Gap(seq));
				afterDamage = false;
				seqs.push(seq);
				offsets.push(offset - base);
				end = offset - base + length;
			},
			damage(start) {
				finishBatch();
				damage.push(start);
				afterDamage = true;
			},
		},
	);
	finishBatch();
	if (intactEnd < source.end) {
		damage.push(intactEnd);
		parts.push(new Gap(seqMax + 1));
	}
	return { parts, damage, bytes };
}
