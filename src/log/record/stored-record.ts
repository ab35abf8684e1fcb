import {
	type RecordKind,
	recordFacts,
	recordFlags,
	recordFrame,
	recordHost,
	recordKind,
	recordLsn,
	recordOps,
	recordSeq,
	recordTimeUs,
	recordUpstreamSeq,
} from "./record.ts";

/** A record as readers of the log get it. Facts and frame are views into a batch: copy what must outlive the next `read`. */
export interface StoredRecord {
	/** Its address in the log. */
	lsn: number;
	/** A message's own; a control record has that of the last message before it. */
	seq: number;
	/** Microseconds since 1970. */
	timeUs: number;
	host: number;
	upstreamSeq: number;
	kind: RecordKind;
	flags: number;
	/** Ops of a commit, clipped to `RECORD_OPS_MAX`; 0 for everything else. */
	ops: number;
	facts: Uint8Array;
	/** The frame as it goes to consumers; empty for control records. */
	frame: Uint8Array;
}

/** Decodes the intact record of `length` bytes at `at`. Its facts and frame are views into `source`. */
export function decodeRecord(source: Buffer, at: number, length: number): StoredRecord {
	return {
		lsn: recordLsn(source, at),
		seq: recordSeq(source, at),
		timeUs: recordTimeUs(source, at),
		upstreamSeq: recordUpstreamSeq(source, at),
		host: recordHost(source, at),
		kind: recordKind(source, at),
		flags: recordFlags(source, at),
		ops: recordOps(source, at),
		facts: recordFacts(source, at),
		frame: recordFrame(source, at, length),
	};
}
