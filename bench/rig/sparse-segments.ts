import { join } from "node:path";
import { systemLogFs } from "../../src/log/local/log-fs.ts";
import {
	encodeSegmentFooter,
	encodeSegmentHeader,
	SEGMENT_HEADER_BYTES,
	segmentName,
} from "../../src/log/local/segment/segment.ts";
import { INDEX_STRIDE_BYTES, SegmentIndex } from "../../src/log/local/segment/segment-index.ts";
import { SeqBound } from "../../src/log/local/write/seq-bound.ts";
import { SEGMENT_BYTES } from "./log-filler.ts";

/** Of records as the live network's frames make them. */
const RECORDS = 48_000;
const RECORD_BYTES = Math.floor((SEGMENT_BYTES - SEGMENT_HEADER_BYTES) / RECORDS);

/**
 * Begins a log with sealed segments that have everything but their records: headers that name the segment before, indexes
 * and footers are whole, and where the records would stand is a hole in the file. Whoever reads there finds damage, which
 * the relay counts: a bench that sees none of it knows that nothing was read there. The last segment is empty, to go on with.
 *
 * @returns the last seq that the segments are said to hold
 */
export function makeSparseSegments(directory: string, count: number): number {
	const fs = systemLogFs;
	fs.makeDirectory(directory);
	const createdUs = Date.now() * 1000;
	for (let number = 0; number < count; number++) {
		const firstSeq = 1 + number * RECORDS;
		const epoch = number + 1;
		const index = new SegmentIndex();
		const stride = Math.ceil(INDEX_STRIDE_BYTES / RECORD_BYTES);
		for (let record = 0; record < RECORDS; record += stride) {
			index.add(firstSeq + record, createdUs, SEGMENT_HEADER_BYTES + record * RECORD_BYTES);
		}
		const dataEnd = SEGMENT_HEADER_BYTES + RECORDS * RECORD_BYTES;
		const lastSeq = firstSeq + RECORDS - 1;
		const file = fs.open(join(directory, segmentName(firstSeq)), "create");
		const previousFirstSeq = Math.max(0, firstSeq - RECORDS);
		fs.write(file, encodeSegmentHeader({ epoch, firstSeq, previousFirstSeq, createdUs }), 0);
		fs.write(file, encodeSegmentFooter({ dataEnd, lastSeq, lastTimeUs: createdUs, index }, epoch), dataEnd);
		fs.close(file);
	}
	const lastSeq = count * RECORDS;
	// A footer is written when the next segment is there: without it the log would be damaged.
	const next = fs.open(join(directory, segmentName(lastSeq + 1)), "create");
	const previousFirstSeq = lastSeq + 1 - RECORDS;
	const header = encodeSegmentHeader({ epoch: count + 1, firstSeq: lastSeq + 1, previousFirstSeq, createdUs });
	fs.write(next, header, 0);
	fs.close(next);
	new SeqBound(fs, directory, 0).settle(lastSeq);
	return lastSeq;
}
