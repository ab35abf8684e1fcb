import { BATCH_BYTES_MAX } from "../../log.ts";
import { RECORD_EPOCH_AT, RECORD_HEADER_BYTES, recordLsn } from "../../record/record.ts";
import type { LogFs } from "../log-fs.ts";
import { recordIsIntact, sealedRecordLength } from "./seal.ts";

/** A range of a segment, of which a part is in memory at a time. */
export interface ScanSource {
	/** Offset in the segment after the range. */
	readonly end: number;
	/** The part in memory, and its offset in the segment. */
	readonly bytes: Buffer;
	readonly base: number;
	/** Brings these bytes into memory. False if they reach past the end. */
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
	readonly #mayShrink: boolean;
	#end: number;
	#window: Buffer = Buffer.alloc(0);
	bytes: Buffer = this.#window;
	base = 0;

	/**
	 * @param end offset after the range; by default that of the file's end
	 * @param mayShrink whether another process may shorten the file meanwhile: the range then ends there
	 */
	constructor(fs: LogFs, file: number, end = fs.sizeBytes(file), mayShrink = false) {
		this.#fs = fs;
		this.#file = file;
		this.#mayShrink = mayShrink;
		this.#end = end;
	}

	get end(): number {
		return this.#end;
	}

	load(offset: number, length: number): boolean {
		if (offset + length > this.end) return false;
		if (offset >= this.base && offset + length <= this.base + this.bytes.length) return true;
		const wanted = Math.min(Math.max(length, WINDOW_BYTES), this.end - offset);
		if (wanted > this.#window.length) this.#window = Buffer.allocUnsafeSlow(wanted);
		this.bytes = this.#window.subarray(0, wanted);
		this.base = offset;
		const count = this.#fs.read(this.#file, this.bytes, offset);
		if (count === wanted) return true;
		if (!this.#mayShrink) throw new Error("a segment became shorter while it was read");
		this.#end = offset + count;
		this.bytes = this.bytes.subarray(0, count);
		return length <= count;
	}
}

/** What a scan expects of the records. */
export interface ScanRules {
	/** Offset of the first record. */
	start: number;
	epoch: number;
	/** All lsns are greater than this one, and rise. */
	lsnAfter: number;
	lsnMax: number;
	/**
	 * Offset up to which everything was published, if that is known. Bytes before it that are no record are damage; those from
	 * there on were never published. If it is not known, bytes that are no record are damage if a record comes after them.
	 */
	publishedEnd?: number | null;
}

/** What a scan finds, in order. */
export interface ScanVisitor {
	/** @param at where the record of `length` bytes stands in `bytes`, which are valid during the call */
	record(offset: number, length: number, bytes: Buffer, at: number): void;
	/** Bytes that were records, and no longer are. */
	damage(start: number, end: number): void;
}

/**
 * Walks the records of a range and checks each one's checksum. After a damaged one it looks for the next intact one byte by
 * byte. Returns the offset after the last intact record, or `publishedEnd` if there is damage up to there: no record follows.
 */
export function scanRecords(source: ScanSource, rules: ScanRules, visitor: ScanVisitor): number {
	const { publishedEnd = null } = rules;
	let lsn = rules.lsnAfter;
	let offset = rules.start;
	while (offset < source.end || (publishedEnd !== null && offset < publishedEnd)) {
		const length = intactRecord(source, offset, rules, lsn);
		if (length === 0) {
			const next = afterDamage(source, offset, rules, lsn);
			if (next === null) break;
			visitor.damage(offset, next);
			offset = next;
			continue;
		}
		const at = offset - source.base;
		lsn = recordLsn(source.bytes, at);
		visitor.record(offset, length, source.bytes, at);
		offset += length;
	}
	return offset;
}

/** Offset at which the damage at `offset` ends. Null if this is no damage, but the torn end of what was written. */
function afterDamage(source: ScanSource, offset: number, rules: ScanRules, lsnAfter: number): number | null {
	const { publishedEnd = null } = rules;
	const find = (from: number): number | null => findRecord(source, from, source.end, rules, lsnAfter);
	if (publishedEnd === null) return find(offset + 1);
	// What is torn is at most one batch. If a record comes after that, more was published than `publishedEnd` says.
	if (offset >= publishedEnd) return find(offset + BATCH_BYTES_MAX) === null ? null : find(offset + 1);
	return findRecord(source, offset + 1, publishedEnd, rules, lsnAfter) ?? publishedEnd;
}

/** Length of the record at `offset`, which is then in memory, or 0 if there is no intact one that fits the rules. */
function intactRecord(source: ScanSource, offset: number, rules: ScanRules, lsnAfter: number): number {
	if (!source.load(offset, RECORD_HEADER_BYTES)) return 0;
	const length = sealedRecordLength(source.bytes, offset - source.base, rules.epoch);
	if (length === 0) return 0;
	const lsn = recordLsn(source.bytes, offset - source.base);
	if (lsn <= lsnAfter || lsn > rules.lsnMax) return 0;
	if (!source.load(offset, length)) return 0;
	return recordIsIntact(source.bytes, offset - source.base, length) ? length : 0;
}

/**
 * The first intact record that begins at `from` or later, and before `end`. It looks for the epoch, which is random, so that it
 * hardly occurs except in records.
 */
function findRecord(source: ScanSource, from: number, end: number, rules: ScanRules, lsnAfter: number): number | null {
	const epoch = Buffer.alloc(4);
	epoch.writeUInt32LE(rules.epoch);
	let at = from;
	while (at < end && source.load(at, RECORD_HEADER_BYTES)) {
		const found = source.bytes.indexOf(epoch, at - source.base + RECORD_EPOCH_AT);
		if (found === -1) {
			// An epoch that the window's end cuts in two begins in the window's last three bytes.
			const next = source.base + source.bytes.length - RECORD_EPOCH_AT - 3;
			at = Math.max(next, at + 1);
			if (source.base + source.bytes.length === source.end) return null;
			continue;
		}
		at = source.base + found - RECORD_EPOCH_AT;
		if (at < end && intactRecord(source, at, rules, lsnAfter) > 0) return at;
		at += 1;
	}
	return null;
}
