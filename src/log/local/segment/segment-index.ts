import { readU64, writeU64 } from "../../record/bytes.ts";
import { firstAfter, type RisingSeqs } from "../../record/first-after.ts";

/** Bytes of records between two entries of a sparse index: what a reader that catches up reads at once. */
export const INDEX_STRIDE_BYTES = 512 * 1024;

const ENTRY_BYTES = 24;

/** The part of a segment between two entries of its index, or between the last entry and the end. */
export interface ChunkRange {
	start: number;
	end: number;
	/** No record of the chunk, and none before it, has a greater seq. */
	seqMax: number;
}

/** Where a segment's records are, and how far their seqs go. */
export interface Extent {
	start: number;
	end: number;
	lastSeq: number;
}

/** Sparse index of a segment: seq, time and offset of a record about every 512 KiB, the first record among them. */
export class SegmentIndex implements IndexEntries {
	readonly #seqs: number[] = [];
	readonly #timesUs: number[] = [];
	readonly #offsets: number[] = [];

	get length(): number {
		return this.#seqs.length;
	}

	/** To be told of each record, in order; keeps one where enough bytes lie behind the last one kept. */
	add(seq: number, timeUs: number, offset: number): void {
		const last = this.#offsets.at(-1);
		if (last !== undefined && offset - last < INDEX_STRIDE_BYTES) return;
		this.#seqs.push(seq);
		this.#timesUs.push(timeUs);
		this.#offsets.push(offset);
	}

	seq(entry: number): number {
		return at(this.#seqs, entry);
	}

	offset(entry: number): number {
		return at(this.#offsets, entry);
	}

	/** The chunk that would hold `seq`; null for a segment without records. */
	range(seq: number, extent: Extent): ChunkRange | null {
		return findRange(this, this.length, seq, extent);
	}

	static encodedBytes(entries: number): number {
		return entries * ENTRY_BYTES;
	}

	encode(): Buffer {
		const bytes = Buffer.alloc(SegmentIndex.encodedBytes(this.length));
		for (let entry = 0; entry < this.length; entry++) {
			writeU64(bytes, this.seq(entry), entry * ENTRY_BYTES);
			writeU64(bytes, at(this.#timesUs, entry), entry * ENTRY_BYTES + 8);
			writeU64(bytes, this.offset(entry), entry * ENTRY_BYTES + 16);
		}
		return bytes;
	}

	static decode(bytes: Buffer): SegmentIndex {
		const index = new SegmentIndex();
		for (let start = 0; start < bytes.length; start += ENTRY_BYTES) {
			index.add(readU64(bytes, start), readU64(bytes, start + 8), readU64(bytes, start + 16));
		}
		return index;
	}
}

/** The entries of a sparse index, wherever they lie. */
export interface IndexEntries extends RisingSeqs {
	offset(entry: number): number;
}

/** The chunk that would hold `seq`, by the first `count` entries of an index; null if there are none. */
export function findRange(index: IndexEntries, count: number, seq: number, extent: Extent): ChunkRange | null {
	if (count === 0) return null;
	const entry = Math.max(0, firstAfter(index, count, seq) - 1);
	const isLast = entry === count - 1;
	return {
		// Records that are damaged have no entry; where they are the first ones, the chunk begins with them all the same.
		start: entry === 0 ? extent.start : index.offset(entry),
		end: isLast ? extent.end : index.offset(entry + 1),
		seqMax: isLast ? extent.lastSeq : index.seq(entry + 1) - 1,
	};
}

function at(values: readonly number[], entry: number): number {
	const value = values[entry];
	if (value === undefined) throw new RangeError(`the index has no entry ${entry}`);
	return value;
}
