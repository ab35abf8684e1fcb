// log/local/segment/: one segment file: its bytes, reading, writing and scanning. Which segments there are is not known here.

import { crc32 } from "node:zlib";
import { readU64, writeU64 } from "../../record/bytes.ts";
import type { LogFs } from "../log-fs.ts";
import { SegmentIndex } from "./segment-index.ts";

/**
 * A segment file: header, records, and once it is sealed a footer. The header stands there twice, so that no single
 * damaged byte hides the epoch, without which none of the records can be told from noise.
 *
 * | offset | header field     | type |
 * |-------:|------------------|------|
 * |      0 | magic            | 8 bytes |
 * |      8 | version          | u32  |
 * |     12 | epoch            | u32, random, not 0 |
 * |     16 | firstSeq         | u64, no record has a lower one |
 * |     24 | previousFirstSeq | u64, names the segment before; 0 for none |
 * |     32 | createdUs        | u64  |
 * |     60 | crc              | u32  |
 *
 * The footer is the sparse index and behind it a trailer, which ends the file:
 *
 * | offset | trailer field | type |
 * |-------:|---------------|------|
 * |      0 | magic         | 8 bytes |
 * |      8 | version       | u32  |
 * |     12 | epoch         | u32  |
 * |     16 | dataEnd       | u64, offset behind the last record |
 * |     24 | lastSeq       | u64  |
 * |     32 | lastTimeUs    | u64  |
 * |     40 | entries       | u32  |
 * |     60 | crc           | u32, of the index and the trailer |
 */
const HEADER_COPY_BYTES = 64;
const TRAILER_BYTES = 64;
const HEADER_MAGIC = Buffer.from("standpip", "latin1");
const TRAILER_MAGIC = Buffer.from("pipstand", "latin1");
const VERSION = 1;

/** Offset of a segment's first record. */
export const SEGMENT_HEADER_BYTES = 2 * HEADER_COPY_BYTES;

export interface SegmentHeader {
	epoch: number;
	firstSeq: number;
	previousFirstSeq: number;
	createdUs: number;
}

export interface SegmentFooter {
	dataEnd: number;
	lastSeq: number;
	lastTimeUs: number;
	index: SegmentIndex;
}

export function segmentName(firstSeq: number): string {
	return `${String(firstSeq).padStart(20, "0")}.seg`;
}

/** First seqs of the segments in a directory, in order. */
export function listSegments(fs: LogFs, directory: string): number[] {
	return fs
		.list(directory)
		.filter((name) => /^\d{20}\.seg$/.test(name))
		.map((name) => Number.parseInt(name, 10))
		.sort((a, b) => a - b);
}

export function encodeSegmentHeader(header: SegmentHeader): Buffer {
	const copy = Buffer.alloc(HEADER_COPY_BYTES);
	copy.set(HEADER_MAGIC, 0);
	copy.writeUInt32LE(VERSION, 8);
	copy.writeUInt32LE(header.epoch, 12);
	writeU64(copy, header.firstSeq, 16);
	writeU64(copy, header.previousFirstSeq, 24);
	writeU64(copy, header.createdUs, 32);
	copy.writeUInt32LE(crc32(copy.subarray(0, 60)), 60);
	return Buffer.concat([copy, copy]);
}

/**
 * Reads a segment's header, from whichever of its copies is intact; null where neither is.
 *
 * @throws Error where the segment was written by a later version of the relay
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
	checkVersion(copy.readUInt32LE(8));
	return {
		epoch: copy.readUInt32LE(12),
		firstSeq: readU64(copy, 16),
		previousFirstSeq: readU64(copy, 24),
		createdUs: readU64(copy, 32),
	};
}

export function encodeSegmentFooter(footer: SegmentFooter, epoch: number): Buffer {
	const entries = footer.index.encode();
	const bytes = Buffer.alloc(entries.length + TRAILER_BYTES);
	bytes.set(entries, 0);
	const trailer = bytes.subarray(entries.length);
	trailer.set(TRAILER_MAGIC, 0);
	trailer.writeUInt32LE(VERSION, 8);
	trailer.writeUInt32LE(epoch, 12);
	writeU64(trailer, footer.dataEnd, 16);
	writeU64(trailer, footer.lastSeq, 24);
	writeU64(trailer, footer.lastTimeUs, 32);
	trailer.writeUInt32LE(footer.index.length, 40);
	trailer.writeUInt32LE(crc32(bytes.subarray(0, bytes.length - 4)), 60);
	return bytes;
}

/** Reads a sealed segment's footer; null where it is absent or damaged. */
export function readSegmentFooter(fs: LogFs, file: number, epoch: number): SegmentFooter | null {
	const sizeBytes = fs.sizeBytes(file);
	const trailer = Buffer.alloc(TRAILER_BYTES);
	if (sizeBytes < SEGMENT_HEADER_BYTES + TRAILER_BYTES) return null;
	fs.read(file, trailer, sizeBytes - TRAILER_BYTES);
	if (!trailer.subarray(0, 8).equals(TRAILER_MAGIC) || trailer.readUInt32LE(12) !== epoch) return null;

	const dataEnd = readU64(trailer, 16);
	const footerBytes = SegmentIndex.encodedBytes(trailer.readUInt32LE(40)) + TRAILER_BYTES;
	if (dataEnd < SEGMENT_HEADER_BYTES || dataEnd + footerBytes !== sizeBytes) return null;
	const bytes = Buffer.alloc(footerBytes);
	fs.read(file, bytes, dataEnd);
	if (crc32(bytes.subarray(0, bytes.length - 4)) !== trailer.readUInt32LE(60)) return null;
	checkVersion(trailer.readUInt32LE(8));
	return {
		dataEnd,
		lastSeq: readU64(trailer, 24),
		lastTimeUs: readU64(trailer, 32),
		index: SegmentIndex.decode(bytes.subarray(0, bytes.length - TRAILER_BYTES)),
	};
}

function checkVersion(version: number): void {
	if (version !== VERSION) throw new Error(`the log has segments of version ${version}; this relay reads ${VERSION}`);
}
