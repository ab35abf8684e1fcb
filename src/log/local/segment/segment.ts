// log/local/segment/: one segment file: its bytes, reading, writing and scanning. Which segments there are is not known here.

import { join } from "node:path";
import { crc32 } from "node:zlib";
import { isNotFound } from "../../../disk/fault.ts";
import { readU64, writeU64 } from "../../record/bytes.ts";
import { recordLsn, recordOps, recordSeq, recordTimeUs, timeUsAfter } from "../../record/record.ts";
import type { LogFs } from "../log-fs.ts";
import { SegmentIndex } from "./segment-index.ts";

/**
 * The layout of a segment: a header, records, and a footer once it is sealed. The header is stored twice, so that no single
 * damaged byte hides the epoch, without which records can't be told from noise. `docs/log-format.md` says what each field means.
 *
 * | offset | header field     | type                                              |
 * |-------:|------------------|---------------------------------------------------|
 * |      0 | magic            | 8 bytes                                           |
 * |      8 | major, minor     | u16 each                                          |
 * |     12 | epoch            | u32, random, not 0                                |
 * |     16 | firstLsn         | u64, no record has a lower one                    |
 * |     24 | firstSeq         | u64, the next message's when the segment was begun |
 * |     32 | previousFirstLsn | u64, names the segment before; 0 for none         |
 * |     40 | createdUs        | u64, no record has an earlier time                |
 * |     48 | stateLsn         | u64, lsn of the first record of the log's state   |
 * |     56 | stateRecords     | u32, how many records from there on are the state |
 * |     60 | crc              | u32                                               |
 *
 * The footer is the sparse index and after it a trailer, which ends the file:
 *
 * | offset | trailer field | type                                                 |
 * |-------:|---------------|------------------------------------------------------|
 * |      0 | magic         | 8 bytes                                              |
 * |      8 | major, minor  | u16 each                                             |
 * |     12 | epoch         | u32                                                  |
 * |     16 | dataEnd       | u64, offset after the last record                    |
 * |     24 | lastLsn       | u64                                                  |
 * |     32 | lastSeq       | u64                                                  |
 * |     40 | endTimeUs     | u64, the least time for the next record              |
 * |     48 | entries       | u32                                                  |
 * |     60 | crc           | u32, of the index and the trailer                    |
 */
const HEADER_COPY_BYTES = 64;
const TRAILER_BYTES = 64;
const HEADER_MAGIC = Buffer.from("standpip", "latin1");
const TRAILER_MAGIC = Buffer.from("pipstand", "latin1");
/** Another major version can't be read; what a greater minor one adds can be passed over. */
const MAJOR = 2;
const MINOR = 0;

/** Offset of a segment's first record. */
export const SEGMENT_HEADER_BYTES = 2 * HEADER_COPY_BYTES;

/** The numbers in the name of a segment's file. */
export interface SegmentId {
	/** No record of it, and none after it, has a lower lsn. */
	readonly firstLsn: number;
	/** The seq that the next message had when the segment was begun. */
	readonly firstSeq: number;
}

export interface SegmentHeader extends SegmentId {
	epoch: number;
	previousFirstLsn: number;
	createdUs: number;
	/** The first of `stateRecords` consecutive records that restate the log's state. With what follows they give all of it. */
	stateLsn: number;
	stateRecords: number;
}

/** Where a segment's records end. */
export interface SegmentEnd {
	/** Of the last record; one less than the segment's first lsn and seq if there is none. */
	lastLsn: number;
	lastSeq: number;
	/** Earliest time for the next record. */
	endTimeUs: number;
}

export interface SegmentFooter extends SegmentEnd {
	dataEnd: number;
	index: SegmentIndex;
}

/** The end of a segment that has no records yet. */
export function emptyEnd({ firstLsn, firstSeq }: SegmentId, createdUs: number): SegmentEnd {
	return { lastLsn: firstLsn - 1, lastSeq: firstSeq - 1, endTimeUs: createdUs };
}

/** Moves the end past the record that stands at `at`. */
export function moveEnd(end: SegmentEnd, bytes: Buffer, at: number): void {
	end.lastLsn = recordLsn(bytes, at);
	end.lastSeq = recordSeq(bytes, at);
	end.endTimeUs = timeUsAfter(recordTimeUs(bytes, at), recordOps(bytes, at));
}

export function segmentName({ firstLsn, firstSeq }: SegmentId): string {
	return `${String(firstLsn).padStart(20, "0")}-${String(firstSeq).padStart(20, "0")}.seg`;
}

/** The segments in a directory, in order. */
export function listSegments(fs: LogFs, directory: string): SegmentId[] {
	return fs
		.list(directory)
		.flatMap((name): SegmentId[] => {
			const numbers = /^(\d{20})-(\d{20})\.seg$/.exec(name);
			return numbers === null ? [] : [{ firstLsn: Number(numbers[1]), firstSeq: Number(numbers[2]) }];
		})
		.sort((a, b) => a.firstLsn - b.firstLsn);
}

/** The open file of a segment, for reading; null if it is no longer there. */
export function openIfThere(fs: LogFs, directory: string, id: SegmentId): number | null {
	try {
		return fs.open(join(directory, segmentName(id)), "read");
	} catch (error) {
		if (isNotFound(error)) return null;
		throw error;
	}
}

export function encodeSegmentHeader(header: SegmentHeader): Buffer {
	const copy = Buffer.alloc(HEADER_COPY_BYTES);
	copy.set(HEADER_MAGIC, 0);
	writeVersion(copy);
	copy.writeUInt32LE(header.epoch, 12);
	writeU64(copy, header.firstLsn, 16);
	writeU64(copy, header.firstSeq, 24);
	writeU64(copy, header.previousFirstLsn, 32);
	writeU64(copy, header.createdUs, 40);
	writeU64(copy, header.stateLsn, 48);
	copy.writeUInt32LE(header.stateRecords, 56);
	copy.writeUInt32LE(crc32(copy.subarray(0, 60)), 60);
	return Buffer.concat([copy, copy]);
}

/**
 * Reads a segment's header, from whichever of its copies is intact; null if neither is.
 *
 * @throws Error if the segment has another major version of the format
 */
export function readSegmentHeader(fs: LogFs, file: number): SegmentHeader | null {
	const bytes = Buffer.alloc(SEGMENT_HEADER_BYTES);
	fs.read(file, bytes, 0);
	return decodeHeaderCopy(bytes, 0) ?? decodeHeaderCopy(bytes, HEADER_COPY_BYTES);
}

function decodeHeaderCopy(bytes: Buffer, at: number): SegmentHeader | null {
	const copy = bytes.subarray(at, at + HEADER_COPY_BYTES);
	if (!copy.subarray(0, 8).equals(HEADER_MAGIC)) return null;
	if (crc32(copy.subarray(0, 60)) !== copy.readUInt32LE(60)) return null;
	checkVersion(copy);
	return {
		epoch: copy.readUInt32LE(12),
		firstLsn: readU64(copy, 16),
		firstSeq: readU64(copy, 24),
		previousFirstLsn: readU64(copy, 32),
		createdUs: readU64(copy, 40),
		stateLsn: readU64(copy, 48),
		stateRecords: copy.readUInt32LE(56),
	};
}

export function encodeSegmentFooter(footer: SegmentFooter, epoch: number): Buffer {
	const entries = footer.index.encode();
	const bytes = Buffer.alloc(entries.length + TRAILER_BYTES);
	bytes.set(entries, 0);
	const trailer = bytes.subarray(entries.length);
	trailer.set(TRAILER_MAGIC, 0);
	writeVersion(trailer);
	trailer.writeUInt32LE(epoch, 12);
	writeU64(trailer, footer.dataEnd, 16);
	writeU64(trailer, footer.lastLsn, 24);
	writeU64(trailer, footer.lastSeq, 32);
	writeU64(trailer, footer.endTimeUs, 40);
	trailer.writeUInt32LE(footer.index.length, 48);
	trailer.writeUInt32LE(crc32(bytes.subarray(0, bytes.length - 4)), 60);
	return bytes;
}

/**
 * Reads a sealed segment's footer; null if it is absent or damaged.
 *
 * @throws Error if it has another major version of the format
 */
export function readSegmentFooter(fs: LogFs, file: number, epoch: number): SegmentFooter | null {
	const sizeBytes = fs.sizeBytes(file);
	const trailer = Buffer.alloc(TRAILER_BYTES);
	if (sizeBytes < SEGMENT_HEADER_BYTES + TRAILER_BYTES) return null;
	fs.read(file, trailer, sizeBytes - TRAILER_BYTES);
	if (!trailer.subarray(0, 8).equals(TRAILER_MAGIC) || trailer.readUInt32LE(12) !== epoch) return null;

	const dataEnd = readU64(trailer, 16);
	const footerBytes = SegmentIndex.encodedBytes(trailer.readUInt32LE(48)) + TRAILER_BYTES;
	if (dataEnd < SEGMENT_HEADER_BYTES || dataEnd + footerBytes !== sizeBytes) return null;
	const bytes = Buffer.alloc(footerBytes);
	fs.read(file, bytes, dataEnd);
	if (crc32(bytes.subarray(0, bytes.length - 4)) !== trailer.readUInt32LE(60)) return null;
	checkVersion(trailer);
	return {
		dataEnd,
		lastLsn: readU64(trailer, 24),
		lastSeq: readU64(trailer, 32),
		endTimeUs: readU64(trailer, 40),
		index: SegmentIndex.decode(bytes.subarray(0, bytes.length - TRAILER_BYTES)),
	};
}

function writeVersion(target: Buffer): void {
	target.writeUInt16LE(MAJOR, 8);
	target.writeUInt16LE(MINOR, 10);
}

function checkVersion(source: Buffer): void {
	const major = source.readUInt16LE(8);
	if (major !== MAJOR) throw new Error(`the log has a segment of format ${major}; this relay reads format ${MAJOR}`);
}
