// log/local/recovery/: what a start finds in the log's folder. It runs once, before anything is written.

import { join } from "node:path";
import type { Counters } from "../../../observe/counters.ts";
import { logOf } from "../../../observe/log.ts";
import type { LogNumbers } from "../../log.ts";
import { LogState } from "../../state.ts";
import type { UsedNumbers } from "../last-used.ts";
import type { LogFs } from "../log-fs.ts";
import type { FoundSegment } from "../retention/retention.ts";
import { logGaps } from "../segment/damage.ts";
import { TEMPORARY_SUFFIX } from "../segment/new-file.ts";
import { FileSource, scanRecords } from "../segment/scan.ts";
import {
	emptyEnd,
	listSegments,
	moveEnd,
	readSegmentFooter,
	readSegmentHeader,
	SEGMENT_HEADER_BYTES,
	type SegmentHeader,
	segmentName,
} from "../segment/segment.ts";
import { SegmentIndex } from "../segment/segment-index.ts";
import { SegmentReader } from "../segment/segment-reader.ts";
import type { SegmentState } from "../segment/segment-writer.ts";
import { readState, SegmentFold } from "./read-state.ts";

/** What a start finds in the log's directory. */
export interface RecoveredLog {
	/** The retained segments that are not written to any more, oldest first. */
	sealed: FoundSegment[];
	/** The segment to go on with; null if a new one must be made. */
	active: SegmentState | null;
	/** Numbers of the last record; null if there is none, or if it can't be read. */
	last: LogNumbers | null;
	/** The greatest numbers that the segments say were given out, by their names, footers and records. 0 if there is no segment. */
	told: LogNumbers;
	/** Roughly the first lsn of a segment that must have come after the last one that is there; null if none did. */
	missingFirstLsn: number | null;
	/** Earliest time for the next record; 0 for any. */
	endTimeUs: number;
	/** The log's state at its end. */
	state: LogState;
	/** Whether the active segment is damaged so that it does not restate all of the state. */
	isStateTorn: boolean;
}

const log = logOf("log");

/**
 * Brings the directory of a log into a state that can be appended to. Only the last segment is scanned, and older ones if that
 * does not give the whole state. A torn tail of the last one, which was never published, is cut. Damage stays where it is, is
 * counted and reported, and readers get a gap there. The caller holds the directory's lock.
 *
 * @param used what the file `last-used` says; null if it can't be read
 */
export function recoverLog(fs: LogFs, directory: string, used: UsedNumbers | null, counters: Counters): RecoveredLog {
	for (const name of fs.list(directory)) {
		if (name.endsWith(TEMPORARY_SUFFIX)) fs.remove(join(directory, name));
	}
	const recovered: RecoveredLog = {
		...{ sealed: [], active: null, last: null, missingFirstLsn: null, endTimeUs: 0 },
		...{ told: { lsn: 0, seq: 0 }, state: new LogState(), isStateTorn: false },
	};
	const found = listSegments(fs, directory);
	for (const id of found) {
		const { firstLsn, firstSeq } = id;
		const isLast = id === found.at(-1);
		const file = fs.open(join(directory, segmentName(id)), isLast ? "update" : "read");
		const header = fs.sizeBytes(file) < SEGMENT_HEADER_BYTES ? null : readSegmentHeader(fs, file);
		if (header !== null) checkChain(header, recovered, counters);
		tell(recovered, { lsn: firstLsn - 1, seq: firstSeq - 1 });
		recovered.endTimeUs = Math.max(recovered.endTimeUs, header?.createdUs ?? 0);
		if (isLast && header !== null) {
			recoverLast({ fs, directory, counters, used }, file, header, recovered);
			continue;
		}
		// A new segment gets its name when its header is durable. So this header was damaged later, and there may be records.
		if (isLast) {
			reportGap(counters, "the header of segment {firstLsn} is damaged: its records can't be read", { firstLsn });
			readLastOf(fs, directory, recovered, firstLsn);
			// What the last segment held is not known. Its file is to be kept, so that no other gets its name.
			recovered.last = null;
			tell(recovered, { lsn: firstLsn, seq: firstSeq - 1 });
		}
		const createdUs = header?.createdUs ?? null;
		recovered.sealed.push({ firstLsn, firstSeq, createdUs, bytes: fs.sizeBytes(file) });
		fs.close(file);
	}
	if (recovered.active === null || recovered.isStateTorn) recovered.state = readState(fs, directory, found);
	return recovered;
}

/** Each segment names the one before, so that one that is missing between two others does not go unnoticed. */
function checkChain(header: SegmentHeader, recovered: RecoveredLog, counters: Counters): void {
	const before = recovered.sealed.at(-1);
	if (before === undefined || before.firstLsn === header.previousFirstLsn) return;
	reportGap(counters, "segment {missing} is missing: readers get a gap there", { missing: header.previousFirstLsn });
}

/** What a recovery works with. */
interface Start {
	fs: LogFs;
	directory: string;
	counters: Counters;
	used: UsedNumbers | null;
}

function recoverLast(start: Start, file: number, header: SegmentHeader, recovered: RecoveredLog): void {
	const { fs, directory, counters } = start;
	const { firstLsn, firstSeq, createdUs, epoch } = header;
	const footer = readSegmentFooter(fs, file, epoch);
	if (footer !== null) {
		recovered.sealed.push({ firstLsn, firstSeq, createdUs, bytes: fs.sizeBytes(file) });
		// A footer is written after the next segment is durable, so that one is missing.
		recovered.missingFirstLsn = footer.lastLsn + 1;
		recovered.endTimeUs = footer.endTimeUs;
		tell(recovered, { lsn: footer.lastLsn, seq: footer.lastSeq });
		reportGap(counters, "the segment after {firstLsn} is missing: readers get a gap there", { firstLsn });
		fs.close(file);
		return;
	}
	const fold = new SegmentFold(recovered.state, header);
	const active = scanActive(start, file, header, fold);
	recovered.isStateTorn = !fold.isWhole;
	cutTail(start, active);
	recovered.active = active;
	recovered.last = { lsn: active.lastLsn, seq: active.lastSeq };
	tell(recovered, recovered.last);
	recovered.endTimeUs = Math.max(recovered.endTimeUs, active.endTimeUs);
	// If a crash left numbers out, an empty segment begins far after the last record.
	if (active.end === SEGMENT_HEADER_BYTES) readLastOf(fs, directory, recovered, firstLsn);
}

function scanActive(
	{ fs, used, counters }: Start,
	file: number,
	header: SegmentHeader,
	fold: SegmentFold,
): SegmentState {
	const { epoch, firstLsn, firstSeq, createdUs } = header;
	const end = emptyEnd(header, createdUs);
	const state: SegmentState = {
		...end,
		file,
		epoch,
		firstLsn,
		firstSeq,
		createdUs,
		end: SEGMENT_HEADER_BYTES,
		stateBytes: 0,
		index: new SegmentIndex(),
	};
	const rules = {
		start: SEGMENT_HEADER_BYTES,
		epoch,
		lsnAfter: firstLsn - 1,
		lsnMax: Number.MAX_SAFE_INTEGER,
		publishedEnd: publishedEndOf(header, used),
	};
	state.end = scanRecords(new FileSource(fs, file), rules, {
		record(offset, length, bytes, at) {
			state.index.addRecord(bytes, at, offset);
			moveEnd(state, bytes, at);
			fold.add(bytes, at, length);
		},
		damage(start, end) {
			reportGap(counters, "segment {firstLsn} is damaged from byte {start} to {end}", { firstLsn, start, end });
		},
	});
	state.stateBytes = fold.restatedBytes;
	return state;
}

/** Offset up to which the records of the last segment were published before this start; null if that is not known. */
function publishedEndOf({ epoch, firstLsn }: SegmentHeader, used: UsedNumbers | null): number | null {
	if (used === null || !used.isExact) return null;
	if (used.epoch === epoch) return used.end;
	// The segment was begun, and nothing of it was published yet.
	return used.lsnMax < firstLsn ? SEGMENT_HEADER_BYTES : null;
}

/**
 * Cuts off what a crash left after the last whole record: it must never come back, whatever is written there later. The whole
 * records are synced, since they may not be on the disk yet and will be served.
 */
function cutTail({ fs, used }: Start, active: SegmentState): void {
	const tailBytes = fs.sizeBytes(active.file) - active.end;
	if (tailBytes > 0 && used?.isClean !== true) {
		// Mostly this is space that was prepared, and at most one batch that was not published as a whole.
		log.info("segment {firstLsn} is cut after its last whole record: {tailBytes} bytes are removed", {
			tailBytes,
			firstLsn: active.firstLsn,
		});
		fs.truncate(active.file, active.end);
	}
	// The file ends within damage. It grows to the damage's end, where the next record comes.
	if (tailBytes < 0) fs.truncate(active.file, active.end);
	fs.sync(active.file);
}

/** Takes the log's end from the last sealed segment, if no record comes after it. `nextFirstLsn` names the one after it. */
function readLastOf(fs: LogFs, directory: string, recovered: RecoveredLog, nextFirstLsn: number): void {
	const last = recovered.sealed.at(-1);
	if (last === undefined) return;
	const segment = new SegmentReader(fs, directory, last);
	if (segment.header !== null) {
		const { lastLsn, lastSeq, endTimeUs } = segment.footer(nextFirstLsn - 1);
		recovered.last = { lsn: lastLsn, seq: lastSeq };
		tell(recovered, recovered.last);
		recovered.endTimeUs = Math.max(recovered.endTimeUs, endTimeUs);
	}
	segment.close();
}

/** Takes note that no number up to these may be given out any more. */
function tell({ told }: RecoveredLog, { lsn, seq }: LogNumbers): void {
	told.lsn = Math.max(told.lsn, lsn);
	told.seq = Math.max(told.seq, seq);
}

function reportGap(counters: Counters, message: string, properties: Record<string, unknown>): void {
	counters.add(logGaps);
	log.error(message, properties);
}
