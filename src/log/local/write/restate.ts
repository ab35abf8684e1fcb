import { RECORD_HEADER_BYTES, timeUsAfter, writeRecordHeader } from "../../record/record.ts";
import type { LogState } from "../../state.ts";

/** The log's state as the records that a new segment begins with. */
export interface RestatedState {
	/** One record right after the other, without seals. */
	bytes: Buffer;
	records: number;
	/** Earliest time for the record after them. */
	endTimeUs: number;
}

/** The numbers that the next record of the log gets. */
export interface NextRecord {
	lsn: number;
	/** Of the last message before it. */
	seq: number;
	timeUs: number;
}

/** Makes the records that restate the log's state, with the next numbers. */
export function restate(state: LogState, { lsn, seq, timeUs }: NextRecord): RestatedState {
	const pieces: Buffer[] = [];
	let endTimeUs = timeUs;
	for (const { kind, flags, facts } of state.records()) {
		const record = Buffer.allocUnsafe(RECORD_HEADER_BYTES + facts.length);
		record.set(facts, RECORD_HEADER_BYTES);
		const place = { lsn: lsn + pieces.length, seq, timeUs: endTimeUs };
		const ofNobody = { upstreamSeq: 0, host: 0, ops: 0 };
		writeRecordHeader(record, 0, record.length, { ...place, ...ofNobody, kind, flags, factsLength: facts.length });
		endTimeUs = timeUsAfter(endTimeUs, 0);
		pieces.push(record);
	}
	return { bytes: Buffer.concat(pieces), records: pieces.length, endTimeUs };
}
