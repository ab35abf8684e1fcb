import { join } from "node:path";
import { LastUsed } from "../../src/log/local/last-used.ts";
import { systemLogFs } from "../../src/log/local/log-fs.ts";
import {
	encodeSegmentFooter,
	encodeSegmentHeader,
	SEGMENT_HEADER_BYTES,
	segmentName,
} from "../../src/log/local/segment/segment.ts";
import { INDEX_STRIDE_BYTES, SegmentIndex } from "../../src/log/local/segment/segment-index.ts";
import { SEGMENT_BYTES } from "./log-filler.ts";

/** Records of a segment, as with the frames of the live network. */
const RECORDS = 48_000;
const RECORD_BYTES = Math.floor((SEGMENT_BYTES - SEGMENT_HEADER_BYTES) / RECORDS);

/**
 * Begins a log with sealed segments that have everything but their records. Their headers, which name the segment before, their
 * indexes and their footers are complete; in place of the records is a hole in the file. A read there finds damage, which the
 * relay counts. So a bench can check that nothing was read there. The last segment is empty, so that the log can go on in it.
 *
 * @returns the last lsn and seq of the segments, by their footers
 */
export function makeSparseSegments(directory: string, count: number): number {
	const fs = systemLogFs;
	fs.makeDirectory(directory);
	const createdUs = Date.now() * 1000;
	for (let number = 0; number < count; number++) {
		const first = 1 + number * RECORDS;
		const epoch = number + 1;
		const index = new SegmentIndex();
		const stride = Math.ceil(INDEX_STRIDE_BYTES / RECORD_BYTES);
		for (let record = 0; record < RECORDS; record += stride) {
			index.add(first + record, first + record, createdUs + record, SEGMENT_HEADER_BYTES + record * RECORD_BYTES);
		}
		const dataEnd = SEGMENT_HEADER_BYTES + RECORDS * RECORD_BYTES;
		const last = first + RECORDS - 1;
		const footer = { dataEnd, lastLsn: last, lastSeq: last, endTimeUs: createdUs + RECORDS, index };
		const file = beginSegment(directory, first, epoch, createdUs);
		fs.write(file, encodeSegmentFooter(footer, epoch), dataEnd);
		fs.close(file);
	}
	const last = count * RECORDS;
	// A segment gets its footer only when the next one exists. Without a next one, the log would count as damaged.
	fs.close(beginSegment(directory, last + 1, count + 1, createdUs));
	const end = { epoch: count + 1, end: SEGMENT_HEADER_BYTES };
	const lastUsed = new LastUsed(fs, directory, 0);
	lastUsed.write({ lsnMax: last, seqMax: last, ...end, isExact: true, isClean: true }, true);
	lastUsed.close();
	return last;
}

/** Makes a segment's file, with its header. All of its records are messages, so lsns and seqs are the same. */
function beginSegment(directory: string, first: number, epoch: number, createdUs: number): number {
	const id = { firstLsn: first, firstSeq: first };
	const file = systemLogFs.open(join(directory, segmentName(id)), "create");
	const previousFirstLsn = Math.max(0, first - RECORDS);
	systemLogFs.write(
		file,
		encodeSegmentHeader({ ...id, epoch, previousFirstLsn, createdUs, stateLsn: id.firstLsn, stateRecords: 0 }),
		0,
	);
	return file;
}
