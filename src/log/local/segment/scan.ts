import { RECORD_HEADER_BYTES, recordSeq, recordTimeUs } from "../../record/record.ts";
import type { LogFs } from "../log-fs.ts";
import { recordIsIntact, sealedRecordLength } from "./seal.ts";

/** A range of a segment, of which a part is in memory at a time. */
export interface ScanSource {
	/** Offset in the segment after the range. */
	readonly end: number;
	/** The part in memory, and its offset in the segment. */
	readonly bytes: Buffer;
	readonly base: number;
	/** Brings these bytes into memory. False where they reach past the end. */
	load(offset: number, length: number): boolean;
}

/** A range that is in memory as a whole. */
export class MemorySource implements ScanSource {
	readonly bytes: Buffer;
	readonly base: number;
	readonly end: number;

	constructor(bytes: Buffer, base: number) {
		this.bytes = bytes;
		this.base = base;
		this.end = base + bytes.length;
	}

	load(offset: number, length: number): boolean {
		return offset + length <= this.end;
	}
}

const WINDOW_BYTES = 1024 * 1024;

/** A file, read through a window. */
export class FileSource implements ScanSource {
	readonly #fs: LogFs;
	readonly #file: number;
	readonly end: number;
	#window: Buffer = Buffer.alloc(0);
	bytes: Buffer = this.#window;
	base = 0;

	constructor(fs: LogFs, file: number) {
		this.#fs = fs;
		this.#file = file;
		this.end = fs.sizeBytes(file);
	}

	load(offset: number, length: number): boolean {
		if (offset + length > this.end) return false;
		if (offset >= this.base && offset + length <= this.base + this.bytes.length) return true;
		const wanted = Math.min(Math.max(length, WINDOW_BYTES), this.end - offset);
		if (wanted > this.#window.length) this.#window = Buffer.allocUnsafeSlow(wanted);
		this.bytes = this.#window.subarray(0, wanted);
		this.base = offset;
		if (this.#fs.read(this.#file, this.bytes, offset) < this.bytes.length) {
			throw new Error("a segment became shorter while it was read");
		}
		return true;
	}
}

/** What a scan expects of the records. */
export interface ScanRules {
	/** Offset of the first record. */
	start: number;
	epoch: number;
	/** All seqs are greater than this one, and increase. */
	seqAfter: number;
	seqMax: number;
}

/** What a scan finds, in order. */
export interface ScanVisitor {
	record(offset: number, length: number, seq: number, timeUs: number): void;
	/** Bytes that are no record, with a record behind them. */
	damage(start: number, end: number): void;
}

/**
 * Walks the records of a range and checks each one's checksum. Where one is damaged, the next intact one is looked for
 * byte by byte. Returns the offset behind the last intact record: what follows holds none.
 */
export function scanRecords(source: ScanSource, rules: ScanRules, visitor: ScanVisitor): number {
	let seq = rules.seqAfter;
	let offset = rules.start;
	while (offset < source.end) {
		let length = intactRecord(source, offset, rules, seq);
		if (length === 0) {
			const next = findRecord(source, offset + 1, rules, seq);
			if (next === null) break;
			visitor.damage(offset, next);
			offset = next;
			length = intactRecord(source, offset, rules, seq);
		}
		seq = recordSeq(source.bytes, offset - source.base);
		visitor.record(offset, length, seq, recordTimeUs(source.bytes, offset - source.base));
		offset += length;
	}
	return offset;
}

/** Length of the record at `offset`, which is then in memory, or 0 where there is no intact one that fits the rules. */
function intactRecord(source: ScanSource, offset: number, rules: ScanRules, seqAfter: number): number {
	if (!source.load(offset, RECORD_HEADER_BYTES)) return 0;
	const length = sealedRecordLength(source.bytes, offset - source.base, rules.epoch);
	if (length === 0) return 0;
	const seq = recordSeq(source.bytes, offset - source.base);
	if (seq <= seqAfter || seq > rules.seqMax) return 0;
	if (!source.load(offset, length)) return 0;
	return recordIsIntact(source.bytes, offset - source.base, length) ? length : 0;
}

const EPOCH_OFFSET = 36;

/** The first intact record at `from` or behind it. The epoch is random, so where it occurs there is a record, or nearly so. */
function findRecord(source: ScanSource, from: number, rules: ScanRules, seqAfter: number): number | null {
	const epoch = Buffer.alloc(4);
	epoch.writeUInt32LE(rules.epoch);
	let at = from;
	while (source.load(at, RECORD_HEADER_BYTES)) {
		const found = source.bytes.indexOf(epoch, at - source.base + EPOCH_OFFSET);
		if (found === -1) {
			// An epoch that the window's end cuts in two begins with one of its last three bytes.
			const next = source.base + source.bytes.length - EPOCH_OFFSET - 3;
			at = Math.max(next, at + 1);
			if (source.base + source.bytes.length === source.end) return null;
			continue;
		}
		at = source.base + found - EPOCH_OFFSET;
		if (intactRecord(source, at, rules, seqAfter) > 0) return at;
		at += 1;
	}
	return null;
}
