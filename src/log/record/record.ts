// log/record/: the bytes of a record, and what they say. Where it is stored is not known here.

import { MESSAGE_CODES } from "../../protocol/kinds/table.ts";
import { FRAME_BYTES_MAX } from "../../protocol/limits.ts";
import { readU64, writeU64 } from "./bytes.ts";
import { CONTROL_CODES } from "./control.ts";
import { RECORD_FACTS_BYTES_MAX } from "./facts.ts";

/**
 * A record of the log: fixed little-endian header, then the facts that the index needs, then the frame's wire bytes.
 *
 * | offset | field         | type |                                                              |
 * |-------:|---------------|------|--------------------------------------------------------------|
 * |      0 | crc           | u32  | of the bytes from offset 4 to the end; set by the log        |
 * |      4 | length        | u32  | of the whole record, header included                         |
 * |      8 | seq           | u64  | ours                                                         |
 * |     16 | time          | u64  | when it was sequenced, microseconds since 1970               |
 * |     24 | upstreamSeq   | u64  | the host's seq; 0 for control records                        |
 * |     32 | host          | u32  | id of the host it came from; 0 for control records           |
 * |     36 | epoch         | u32  | of the segment it is in; set by the log                      |
 * |     40 | kind          | u8   |                                                              |
 * |     41 | flags         | u8   |                                                              |
 * |     42 | factsLength   | u16  | bytes of facts, right behind the header                      |
 * |     44 | reserved      | u32  | zero                                                         |
 *
 * Control records take a seq of their own, so that one number addresses every record; consumers see a gap there, which
 * the protocol allows (rulebook 1.5).
 */
export const RECORD_HEADER_BYTES = 48;

/** The longest record: its frame may grow by 8 bytes where our seq is longer than the host's. */
export const RECORD_BYTES_MAX = RECORD_HEADER_BYTES + RECORD_FACTS_BYTES_MAX + FRAME_BYTES_MAX + 8;

/** What a record holds. Kinds below 16 are messages and go to consumers; the others are control records, for the index. */
export const RecordKind = {
	...MESSAGE_CODES,
	...CONTROL_CODES,
} as const;
export type RecordKind = (typeof RecordKind)[keyof typeof RecordKind];

/** Whether records of this kind are sent to consumers. */
export function isMessageKind(kind: number): boolean {
	return kind < 16;
}

/** Record flags. */
export const RecordFlag = {
	/** The message did not chain to the state we had of the account (rulebook 2.6, check 14). */
	discontinuous: 1,
	/** Only the strict rules would have dropped it. */
	lenient: 2,
	/** An `#identity` from the host that the DID document names: any host may send one. */
	home: 4,
	/** A control record is part of the log's state: its facts are a key and the value that it has from here on. */
	state: 64,
	/** A control record repeats a part of the log's state that an older segment has, too. */
	restated: 128,
} as const;

/** What the header says besides length, epoch and checksum. */
export interface RecordHeader {
	seq: number;
	timeUs: number;
	upstreamSeq: number;
	host: number;
	kind: RecordKind;
	flags: number;
	factsLength: number;
}

/**
 * Writes the header of a record whose facts and frame already stand after it. It lacks its epoch and checksum: the log that
 * takes the record seals it.
 *
 * @param at offset of the record in `target`
 * @param length bytes of the whole record
 */
export function writeRecordHeader(target: Buffer, at: number, length: number, header: RecordHeader): void {
	target.writeUInt32LE(0, at);
	target.writeUInt32LE(length, at + 4);
	writeU64(target, header.seq, at + 8);
	writeU64(target, header.timeUs, at + 16);
	writeU64(target, header.upstreamSeq, at + 24);
	target.writeUInt32LE(header.host, at + 32);
	target.writeUInt32LE(0, at + 36);
	target[at + 40] = header.kind;
	target[at + 41] = header.flags;
	target.writeUInt16LE(header.factsLength, at + 42);
	target.writeUInt32LE(0, at + 44);
}

/** Length that the record at `at` says it has: for records that this process has made, or has found intact. */
export function recordLength(source: Buffer, at: number): number {
	return source.readUInt32LE(at + 4);
}

export function recordSeq(source: Buffer, at: number): number {
	return readU64(source, at + 8);
}

/** Microseconds since 1970. */
export function recordTimeUs(source: Buffer, at: number): number {
	return readU64(source, at + 16);
}

export function recordKind(source: Buffer, at: number): RecordKind {
	// The checksum was checked: a kind that we didn't write can't come out.
	return source.readUInt8(at + 40) as RecordKind;
}

/** The frame of the record of `length` bytes at `at`, a view into `source`. */
export function recordFrame(source: Buffer, at: number, length: number): Buffer {
	return source.subarray(at + RECORD_HEADER_BYTES + source.readUInt16LE(at + 42), at + length);
}

/** The facts of the record at `at`, a view into `source`. */
export function recordFacts(source: Buffer, at: number): Buffer {
	const start = at + RECORD_HEADER_BYTES;
	return source.subarray(start, start + source.readUInt16LE(at + 42));
}
