import type { LogNumbers } from "../../log.ts";
import { publishedEndOf, type UsedNumbers } from "../last-used.ts";
import type { LogFs } from "../log-fs.ts";
import { FileSource, scanRecords } from "../segment/scan.ts";
import {
	emptyEnd,
	moveEnd,
	readSegmentFooter,
	SEGMENT_HEADER_BYTES,
	type SegmentHeader,
	type SegmentId,
} from "../segment/segment.ts";

/** Where a log ends that a relay may be writing to. */
export interface LastEnd {
	/** In its last segment. */
	readonly offset: number;
	readonly last: LogNumbers;
}

/**
 * The end of a log's last segment: after the last record that is surely published, if the file `last-used` says which one that is, and
 * else after the last whole record. A batch that is being written while this reads it may look damaged before its last record. It is
 * whole when it is read the next time.
 */
export function findLastEnd(
	fs: LogFs,
	file: number,
	{ id, header, used }: { id: SegmentId; header: SegmentHeader | null; used: UsedNumbers | null },
): LastEnd {
	const end = emptyEnd(id, 0);
	// No record can be read, but all of it is kept.
	if (header === null) return { offset: fs.sizeBytes(file), last: { lsn: end.lastLsn, seq: end.lastSeq } };
	const { epoch, firstLsn } = header;
	const publishedEnd = readSegmentFooter(fs, file, epoch)?.dataEnd ?? publishedEndOf(used, epoch);
	const source = new FileSource(fs, file, publishedEnd ?? fs.sizeBytes(file), true);
	const lsns = { lsnAfter: firstLsn - 1, lsnMax: Number.MAX_SAFE_INTEGER };
	const offset = scanRecords(
		source,
		{ start: SEGMENT_HEADER_BYTES, epoch, ...lsns, publishedEnd },
		{ record: (_offset, _length, bytes, at) => moveEnd(end, bytes, at), damage() {} },
	);
	return { offset, last: { lsn: end.lastLsn, seq: end.lastSeq } };
}
