import type { LogPlace } from "../../log.ts";
import { readU64, writeU64 } from "../../record/bytes.ts";
import { firstAfter, type Rising } from "../../record/first-after.ts";
import { recordLsn, recordSeq, recordTimeUs } from "../../record/record.ts";
import { countBefore, type PlacedRecords } from "./place.ts";

/** Least bytes from one entry of a sparse index to the next. A reader that catches up reads about so much at once. */
export const INDEX_STRIDE_BYTES = 512 * 1024;

const ENTRY_BYTES = 32;

/** The part of a segment between two entries of its index, or between the last entry and the end. */
export interface ChunkRange {
	start: number;
	end: number;
	/** No record of the chunk, and none after it, has this lsn or a lower one. */
	lsnAfter: number;
	/** No record of the chunk, and none before it, has a greater lsn. */
	lsnMax: number;
}

/** Offsets of a segment's first record and of the end of its last one, and the last one's lsn. */
export interface Extent {
	start: number;
	end: number;
	lastLsn: number;
}

/** Sparse index of a segment: lsn, seq, time and offset of a record about every 512 KiB, the first record among them. */
export class SegmentIndex implements IndexEntries {
	readonly lsns: number[] = [];
	readonly seqs: number[] = [];
	readonly timesUs: number[] = [];
	readonly offsets: number[] = [];

	get length(): number {
		return this.lsns.length;
	}

	/** Call this for each record, in order. It keeps a record if enough bytes lie between it and the last one kept. */
	add(lsn: number, seq: number, timeUs: number, offset: number): void {
		if (this.#isDue(offset)) this.#keep(lsn, seq, timeUs, offset);
	}

	/** The same, of the record that stands at `at` in these bytes. */
	addRecord(bytes: Buffer, at: number, offset: number): void {
		if (this.#isDue(offset)) this.#keep(recordLsn(bytes, at), recordSeq(bytes, at), recordTimeUs(bytes, at), offset);
	}

	#isDue(offset: number): boolean {
		const last = this.offsets.at(-1);
		return last === undefined || offset - last >= INDEX_STRIDE_BYTES;
	}

	#keep(lsn: number, seq: number, timeUs: number, offset: number): void {
		this.lsns.push(lsn);
		this.seqs.push(seq);
		this.timesUs.push(timeUs);
		this.offsets.push(offset);
	}

	static encodedBytes(entries: number): number {
		return entries * ENTRY_BYTES;
	}

	encode(): Buffer {
		const bytes = Buffer.alloc(SegmentIndex.encodedBytes(this.length));
		for (let entry = 0; entry < this.length; entry++) {
			const start = entry * ENTRY_BYTES;
			writeU64(bytes, numberAt(this.lsns, entry), start);
			writeU64(bytes, numberAt(this.seqs, entry), start + 8);
			writeU64(bytes, numberAt(this.timesUs, entry), start + 16);
			writeU64(bytes, numberAt(this.offsets, entry), start + 24);
		}
		return bytes;
	}

	static decode(bytes: Buffer): SegmentIndex {
		const index = new SegmentIndex();
		for (let start = 0; start < bytes.length; start += ENTRY_BYTES) {
			index.#keep(
				readU64(bytes, start),
				readU64(bytes, start + 8),
				readU64(bytes, start + 16),
				readU64(bytes, start + 24),
			);
		}
		return index;
	}
}

/** The entries of a sparse index. From one to the next, none of their numbers falls. */
export interface IndexEntries extends PlacedRecords {
	readonly lsns: Rising;
	readonly offsets: Rising;
}

/** The chunk that would hold `lsn`, by the first `count` entries of an index; null if there are none. */
export function findRange(index: IndexEntries, count: number, lsn: number, extent: Extent): ChunkRange | null {
	if (count === 0) return null;
	return chunkRange(index, count, Math.max(0, firstAfter(index.lsns, count, lsn) - 1), extent);
}

/**
 * The chunk with the last record before `place`, by the first `count` entries of an index. Null if the first entry's record does
 * not come before `place`, or there is no entry.
 */
export function findPlace(index: IndexEntries, count: number, place: LogPlace, extent: Extent): ChunkRange | null {
	const entries = countBefore(index, count, place);
	return entries === 0 ? null : chunkRange(index, count, entries - 1, extent);
}

/** The chunk that begins with this one of the first `count` entries. */
function chunkRange(index: IndexEntries, count: number, entry: number, extent: Extent): ChunkRange {
	const isLast = entry === count - 1;
	return {
		// Damaged records have no entry. If they are the first ones, the first chunk begins with them all the same.
		start: entry === 0 ? extent.start : numberAt(index.offsets, entry),
		end: isLast ? extent.end : numberAt(index.offsets, entry + 1),
		lsnAfter: entry === 0 ? 0 : numberAt(index.lsns, entry) - 1,
		lsnMax: isLast ? extent.lastLsn : numberAt(index.lsns, entry + 1) - 1,
	};
}

function numberAt(values: Rising, entry: number): number {
	const value = values.at(entry);
	if (value === undefined) throw new RangeError(`the index has no entry ${entry}`);
	return value;
}
