// log/record/: the bytes of a record, and what they say. Where it is stored is not known here.

import { MESSAGE_CODES } from "../../protocol/kinds/table.ts";
import { FRAME_BYTES_MAX } from "../../protocol/limits.ts";
import { readU64, writeU64 } from "./bytes.ts";
import { CONTROL_CODES } from "./control.ts";
import { RECORD_FACTS_BYTES_MAX } from "./facts.ts";

/**
 * The layout of a record: a fixed little-endian header, then the facts, then the frame as consumers get it.
 * `docs/log-format.md` says what each field means.
 *
 * | offset | field         | type |                                                                    |
 * |-------:|---------------|------|--------------------------------------------------------------------|
 * |      0 | crc           | u32  | CRC-32 of the bytes from offset 4 to the end; set by the log       |
 * |      4 | length        | u32  | of the whole record, header included                               |
 * |      8 | lsn           | u64  | the record's address in the log                                    |
 * |     16 | seq           | u64  | a message's; a control record has that of the last message before  |
 * |     24 | time          | u64  | when it was sequenced, microseconds since 1970                     |
 * |     32 | upstreamSeq   | u64  | the host's seq; 0 for control records                              |
 * |     40 | host          | u32  | id of the host it came from; 0 for control records                 |
 * |     44 | epoch         | u32  | of the segment it is in; set by the log                            |
 * |     48 | kind          | u8   |                                                                    |
 * |     49 | flags         | u8   |                                                                    |
 * |     50 | factsLength   | u16  | bytes of facts, right after the header                             |
 * |     52 | ops           | u16  | of a commit, clipped; 0 for everything else                        |
 * |     54 | reserved      | u16  | zero                                                               |
 */
export const RECORD_HEADER_BYTES = 56;

const LENGTH_AT = 4;
const LSN_AT = 8;
const SEQ_AT = 16;
const TIME_AT = 24;
const UPSTREAM_SEQ_AT = 32;
const HOST_AT = 40;
/** Offset of the epoch in a record. */
export const RECORD_EPOCH_AT = 44;
const KIND_AT = 48;
const FLAGS_AT = 49;
const FACTS_LENGTH_AT = 50;
const OPS_AT = 52;
const RESERVED_AT = 54;

/** A commit with more ops has this number in its record. */
export const RECORD_OPS_MAX = 0xffff;

/** The longest record. Its frame may grow by 8 bytes if our seq is longer than the host's. */
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
	/** Only the strict rules would have dropped the message. */
	lenient: 2,
	/** An `#identity` came from the host that the DID document names. Any host may send one. */
	home: 4,
	/** From this `#account` of the relay on, the account waits for room in its host's account limit. */
	waits: 8,
	/** From this `#account` of the relay on, it waits no more. */
	admitted: 16,
	/** The control record is part of the log's state: its facts give a key the value that it has from here on. */
	state: 64,
	/** The control record repeats a part of the log's state that older segments have. */
	restated: 128,
} as const;

/** The fields of the header, except for length, epoch and checksum. */
export interface RecordHeader {
	lsn: number;
	seq: number;
	timeUs: number;
	upstreamSeq: number;
	host: number;
	kind: RecordKind;
	flags: number;
	factsLength: number;
	ops: number;
}

/** Earliest time, in microseconds since 1970, of the record after one with this time, each of whose ops has its own time. */
export function timeUsAfter(timeUs: number, ops: number): number {
	return timeUs + Math.max(1, ops);
}

/**
 * Writes the header of a record whose facts and frame are there already. Epoch and checksum stay zero until the log seals the
 * record.
 *
 * @param at offset of the record in `target`
 * @param length bytes of the whole record
 */
export function writeRecordHeader(target: Buffer, at: number, length: number, header: RecordHeader): void {
	target.writeUInt32LE(0, at);
	target.writeUInt32LE(length, at + LENGTH_AT);
	writeU64(target, header.lsn, at + LSN_AT);
	writeU64(target, header.seq, at + SEQ_AT);
	writeU64(target, header.timeUs, at + TIME_AT);
	writeU64(target, header.upstreamSeq, at + UPSTREAM_SEQ_AT);
	target.writeUInt32LE(header.host, at + HOST_AT);
	target.writeUInt32LE(0, at + RECORD_EPOCH_AT);
	target[at + KIND_AT] = header.kind;
	target[at + FLAGS_AT] = header.flags;
	target.writeUInt16LE(header.factsLength, at + FACTS_LENGTH_AT);
	target.writeUInt16LE(header.ops, at + OPS_AT);
	target.writeUInt16LE(0, at + RESERVED_AT);
}

/** Length field of the record at `at`. It is not checked, so the record must be one that was found intact, or that we have made. */
export function recordLength(source: Buffer, at: number): number {
	return source.readUInt32LE(at + LENGTH_AT);
}

export function recordLsn(source: Buffer, at: number): number {
	return readU64(source, at + LSN_AT);
}

export function recordSeq(source: Buffer, at: number): number {
	return readU64(source, at + SEQ_AT);
}

/** Microseconds since 1970. */
export function recordTimeUs(source: Buffer, at: number): number {
	return readU64(source, at + TIME_AT);
}

export function recordUpstreamSeq(source: Buffer, at: number): number {
	return readU64(source, at + UPSTREAM_SEQ_AT);
}

export function recordHost(source: Buffer, at: number): number {
	return source.readUInt32LE(at + HOST_AT);
}

export function recordKind(source: Buffer, at: number): RecordKind {
	// It may be a kind of a later minor version. Callers pass over kinds that they don't know.
	return source.readUInt8(at + KIND_AT) as RecordKind;
}

export function recordFlags(source: Buffer, at: number): number {
	return source.readUInt8(at + FLAGS_AT);
}

export function recordFactsLength(source: Buffer, at: number): number {
	return source.readUInt16LE(at + FACTS_LENGTH_AT);
}

export function recordOps(source: Buffer, at: number): number {
	return source.readUInt16LE(at + OPS_AT);
}

/** The frame of the record of `length` bytes at `at`, a view into `source`. */
export function recordFrame(source: Buffer, at: number, length: number): Buffer {
	return source.subarray(at + RECORD_HEADER_BYTES + recordFactsLength(source, at), at + length);
}

/** The facts of the record at `at`, a view into `source`. */
export function recordFacts(source: Buffer, at: number): Buffer {
	const start = at + RECORD_HEADER_BYTES;
	return source.subarray(start, start + recordFactsLength(source, at));
}
