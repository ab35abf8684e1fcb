import type { AppendLog, UnsealedBatch } from "../../src/log/log.ts";
import { isMessageKind, RECORD_HEADER_BYTES, timeUsAfter, writeRecordHeader } from "../../src/log/record/record.ts";
import type { StoredRecord } from "../../src/log/record/stored-record.ts";

/** A record without the fields that it gets by its place in the log. */
export type Unsequenced = Omit<StoredRecord, "lsn" | "seq" | "timeUs">;

/** A batch of these records, as the sequencer makes one for this log. */
export function batchOf(log: AppendLog, records: readonly Unsequenced[]): UnsealedBatch {
	const firstLsn = log.nextLsn;
	let nextSeq = log.nextSeq;
	let timeUs = log.timeUs();
	const parts = records.map((record, at) => {
		const { facts, frame } = record;
		if (isMessageKind(record.kind)) nextSeq += 1;
		const numbers = { lsn: firstLsn + at, seq: nextSeq - 1, timeUs };
		timeUs = timeUsAfter(timeUs, record.ops);
		const bytes = Buffer.alloc(RECORD_HEADER_BYTES + facts.length + frame.length);
		bytes.set(facts, RECORD_HEADER_BYTES);
		bytes.set(frame, RECORD_HEADER_BYTES + facts.length);
		writeRecordHeader(bytes, 0, bytes.length, { ...record, ...numbers, factsLength: facts.length });
		return bytes;
	});
	const lastLsn = firstLsn + records.length - 1;
	return { bytes: Buffer.concat(parts), firstLsn, lastLsn, lastSeq: nextSeq - 1, endTimeUs: timeUs };
}
