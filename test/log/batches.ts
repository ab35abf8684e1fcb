import type { AppendLog, UnsealedBatch } from "../../src/log/log.ts";
import { RECORD_HEADER_BYTES, writeRecordHeader } from "../../src/log/record/record.ts";
import type { StoredRecord } from "../../src/log/record/stored-record.ts";

/** A batch of these records, as the sequencer makes one for this log. */
export function batchOf(log: AppendLog, records: readonly Omit<StoredRecord, "seq">[]): UnsealedBatch {
	const firstSeq = log.nextSeq;
	const parts = records.map((record, at) => {
		const { facts, frame } = record;
		const bytes = Buffer.alloc(RECORD_HEADER_BYTES + facts.length + frame.length);
		bytes.set(facts, RECORD_HEADER_BYTES);
		bytes.set(frame, RECORD_HEADER_BYTES + facts.length);
		writeRecordHeader(bytes, 0, bytes.length, { ...record, seq: firstSeq + at, factsLength: facts.length });
		return bytes;
	});
	const lastSeq = firstSeq + records.length - 1;
	return { bytes: Buffer.concat(parts), firstSeq, lastSeq, timeUs: records.at(-1)?.timeUs ?? log.timeUs() };
}
