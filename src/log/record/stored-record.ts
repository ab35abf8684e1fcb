import { readU64 } from "./bytes.ts";
import { type RecordKind, recordFacts, recordFrame, recordKind, recordSeq, recordTimeUs } from "./record.ts";

/** A record as readers of the log get it: views into a batch. Copy what must outlive the next `read`. */
export interface StoredRecord {
	seq: number;
	/** Microseconds since 1970. */
	timeUs: number;
	host: number;
	upstreamSeq: number;
	kind: RecordKind;
	flags: number;
	facts: Uint8Array;
	/** The frame as it goes to consumers; empty for control records. */
	frame: Uint8Array;
}

/** Decodes the intact record of `length` bytes at `at`. Its facts and frame are views into `source`. */
export function decodeRecord(source: Buffer, at: number, length: number): StoredRecord {
	return {
		seq: recordSeq(source, at),
		timeUs: recordTimeUs(source, at),
		upstreamSeq: readU64(source, at + 24),
		host: source.readUInt32LE(at + 32),
		kind: recordKind(source, at),
		flags: source.readUInt8(at + 41),
		facts: recordFacts(source, at),
		frame: recordFrame(source, at, length),
	};
}
