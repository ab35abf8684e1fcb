import type { RecordKind } from "./record.ts";

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
