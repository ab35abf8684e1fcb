import { readU64, writeU64 } from "../../record/bytes.ts";

/** Bytes of records between two entries of a sparse index: what a reader that catches up reads at once. */
export const INDEX_STRIDE_BYTES = 512 * 1024;

const ENTRY_BYTES = 24;

/** A stretch of a segment between two entries of its index, or between the last entry and the end. */
export interface Block {
	start: number;
	end: number;
	/** No record of the block, and none before it, has a greater seq. */
	seqMax: number;
}

/** Where a segment's records are, and how far their seqs go. */
export interface Extent {
	start: number;
	end: number;
	lastSeq: number;
}

/** Sparse index of a segment: seq, time and offset of a record about every 512 KiB, the first record among them. */
export class SegmentIndex {
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

	seqAt(entry: number): number {
		return at(this.#seqs, entry);
	}

	offsetAt(entry: number): number {
		return at(this.#offsets, entry);
	}

	/** The block that would hold `seq`; null for a segment without records. */
	block(seq: number, extent: Extent): Block | null {
		const seqAt = (entry: number): number => this.seqAt(entry);
		const offsetAt = (entry: number): number => this.offsetAt(entry);
		return findBlock(this.length, seqAt, offsetAt, seq, extent);
	}

	static encodedBytes(entries: number): number {
		return entries * ENTRY_BYTES;
	}

	encode(): Buffer {
		const bytes = Buffer.alloc(SegmentIndex.encodedBytes(this.length));
		for (let entry = 0; entry < this.length; entry++) {
			writeU64(bytes, this.seqAt(entry), entry * ENTRY_BYTES);
			writeU64(bytes, at(this.#timesUs, entry), entry * ENTRY_BYTES + 8);
			writeU64(bytes, this.offsetAt(entry), entry * ENTRY_BYTES + 16);
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

/** Binary search for the block that would hold `seq`, wherever the index lies. */
export function findBlock(
	entries: number,
	seqAt: (entry: number) => number,
	offsetAt: (entry: number) => number,
	seq: number,
	extent: Extent,
): Block | null {
	if (entries === 0) return null;
	let low = 0;
	let high = entries - 1;
	while (low < high) {
		const middle = (low + high + 1) >>> 1;
		if (seqAt(middle) <= seq) low = middle;
		else high = middle - 1;
	}
	const isLast = low === entries - 1;
	return {
		// Records that are damaged have no entry; where they are the first ones, the block begins with them all the same.
		start: low === 0 ? extent.start : offsetAt(low),
		end: isLast ? extent.end : offsetAt(low + 1),
		seqMax: isLast ? extent.lastSeq : seqAt(low + 1) - 1,
	};
}

function at(values: readonly number[], entry: number): number {
	const value = values[entry];
	if (value === undefined) throw new RangeError(`the index has no entry ${entry}`);
	return value;
}
