// log/local/recovery/: what a start finds in the log's folder. It runs once, before anything is written.

import { join } from "node:path";
import type { Counters } from "../../../observe/counters.ts";
import { logOf } from "../../../observe/log.ts";
import type { LogFs } from "../log-fs.ts";
import type { FoundSegment } from "../retention/retention.ts";
import { logGaps } from "../segment/damage.ts";
import { TEMPORARY_SUFFIX } from "../segment/new-file.ts";
import { FileSource, scanRecords } from "../segment/scan.ts";
import {
	listSegments,
	readSegmentFooter,
	readSegmentHeader,
	SEGMENT_HEADER_BYTES,
	type SegmentHeader,
	segmentName,
} from "../segment/segment.ts";
import { SegmentIndex } from "../segment/segment-index.ts";
import { SegmentReader } from "../segment/segment-reader.ts";
import type { SegmentState } from "../segment/segment-writer.ts";

/** What a start finds in the log's directory. */
export interface RecoveredLog {
	/** The retained segments that are not written to any more, oldest first. */
	sealed: FoundSegment[];
	/** The segment to go on with; null where a new one must be made. */
	active: SegmentState | null;
	/** Seq of the last record; null where there is none, or where it can't be read. */
	lastSeq: number | null;
	/** Roughly the first seq of a segment that must have been behind the last one that is there; null where none was. */
	missingFirstSeq: number | null;
	/** Time of the last record, or at least not before it; 0 where there is none. */
	lastTimeUs: number;
}

const log = logOf("log");

/**
 * Brings the directory of a log into a state that can be appended to. Only the last segment is scanned. A torn tail of it,
 * which no reader was ever shown, is cut; damage with intact records behind it stays where it is, is counted and reported,
 * and readers get a gap there. The caller holds the directory's lock.
 */
export function recoverLog(fs: LogFs, directory: string, counters: Counters): RecoveredLog {
	for (const name of fs.list(directory)) {
		if (name.endsWith(TEMPORARY_SUFFIX)) fs.remove(join(directory, name));
	}
	const recovered: RecoveredLog = { sealed: [], active: null, lastSeq: null, missingFirstSeq: null, lastTimeUs: 0 };
	const firstSeqs = listSegments(fs, directory);
	for (const firstSeq of firstSeqs) {
		const isLast = firstSeq === firstSeqs.at(-1);
		const path = join(directory, segmentName(firstSeq));
		const file = fs.open(path, isLast ? "update" : "read");
		const header = fs.sizeBytes(file) < SEGMENT_HEADER_BYTES ? null : readSegmentHeader(fs, file);
		if (header !== null) checkChain(header, recovered, counters);
		if (isLast && header !== null) {
			recoverLast(fs, directory, file, header, recovered, counters);
			continue;
		}
		// A new segment gets its name when it is whole, so this one had records.
		if (isLast)
			reportGap(counters, "the header of segment {firstSeq} is damaged: its records can't be read", { firstSeq });
		recovered.sealed.push({ firstSeq, createdUs: header?.createdUs ?? null, bytes: fs.sizeBytes(file) });
		fs.close(file);
	}
	return recovered;
}

/** Each segment names the one before, so that one that is missing between two others does not go unnoticed. */
function checkChain(header: SegmentHeader, recovered: RecoveredLog, counters: Counters): void {
	const before = recovered.sealed.at(-1);
	if (before === undefined || before.firstSeq === header.previousFirstSeq) return;
	reportGap(counters, "segment {missing} is missing: readers get a gap there", { missing: header.previousFirstSeq });
}

function recoverLast(
	fs: LogFs,
	directory: string,
	file: number,
	header: SegmentHeader,
	recovered: RecoveredLog,
	counters: Counters,
): void {
	const footer = readSegmentFooter(fs, file, header.epoch);
	if (footer !== null) {
		recovered.sealed.push({ firstSeq: header.firstSeq, createdUs: header.createdUs, bytes: fs.sizeBytes(file) });
		// A footer is written when the next segment is durable.
		recovered.missingFirstSeq = footer.lastSeq + 1;
		recovered.lastTimeUs = footer.lastTimeUs;
		reportGap(counters, "the segment behind {firstSeq} is missing: readers get a gap there", {
			firstSeq: header.firstSeq,
		});
		fs.close(file);
		return;
	}
	const active = scanActive(fs, file, header, counters);
	cutTail(fs, active);
	recovered.active = active;
	recovered.lastSeq = active.lastSeq;
	recovered.lastTimeUs = active.lastTimeUs;
	// Where a crash left seqs out, an empty segment begins far behind the last record.
	if (active.end === SEGMENT_HEADER_BYTES) readLastOf(fs, directory, recovered, active.firstSeq);
}

function scanActive(fs: LogFs, file: number, header: SegmentHeader, counters: Counters): SegmentState {
	const { epoch, firstSeq, createdUs } = header;
	const state: SegmentState = {
		file,
		epoch,
		firstSeq,
		createdUs,
		end: SEGMENT_HEADER_BYTES,
		lastSeq: firstSeq - 1,
		lastTimeUs: createdUs,
		index: new SegmentIndex(),
	};
	const rules = { start: SEGMENT_HEADER_BYTES, epoch, seqAfter: firstSeq - 1, seqMax: Number.MAX_SAFE_INTEGER };
	state.end = scanRecords(new FileSource(fs, file), rules, {
		record(offset, _length, seq, timeUs) {
			state.index.add(seq, timeUs, offset);
			state.lastSeq = seq;
			state.lastTimeUs = timeUs;
		},
		damage(start, end) {
			reportGap(counters, "segment {firstSeq} is damaged from byte {start} to {end}", { firstSeq, start, end });
		},
	});
	return state;
}

/** What a crash left behind the last whole record goes; what it left whole may not be on disk yet, and is to be served. */
function cutTail(fs: LogFs, active: SegmentState): void {
	const tailBytes = fs.sizeBytes(active.file) - active.end;
	if (tailBytes > 0) {
		log.warning("cut {tailBytes} bytes without a whole record from the end of segment {firstSeq}", {
			tailBytes,
			firstSeq: active.firstSeq,
		});
		fs.truncate(active.file, active.end);
	}
	fs.sync(active.file);
}

/** Takes the log's end from the last sealed segment, where no record is behind it. `nextFirstSeq` names the one behind. */
function readLastOf(fs: LogFs, directory: string, recovered: RecoveredLog, nextFirstSeq: number): void {
	const last = recovered.sealed.at(-1);
	if (last === undefined) return;
	const segment = new SegmentReader(fs, directory, last.firstSeq);
	if (segment.header !== null) {
		const { lastSeq, lastTimeUs } = segment.footer(nextFirstSeq - 1);
		recovered.lastSeq = lastSeq;
		recovered.lastTimeUs = Math.max(recovered.lastTimeUs, lastTimeUs);
	}
	segment.close();
}

function reportGap(counters: Counters, message: string, properties: Record<string, unknown>): void {
	counters.add(logGaps);
	log.error(message, properties);
}
