import { RecordFlag, recordFlags, recordLsn } from "../../record/record.ts";
import { publishedEndOf, readLastUsed, type UsedNumbers } from "../last-used.ts";
import type { LogFs } from "../log-fs.ts";
import { hasLogId } from "../log-id.ts";
import { FileSource, scanRecords } from "../segment/scan.ts";
import {
	emptyEnd,
	listSegments,
	moveEnd,
	openIfThere,
	readSegmentFooter,
	readSegmentHeader,
	SEGMENT_HEADER_BYTES,
	type SegmentEnd,
	type SegmentFooter,
	type SegmentHeader,
	type SegmentId,
} from "../segment/segment.ts";

/** A segment, after its records were read. */
export interface WalkedSegment {
	readonly id: SegmentId;
	/** Null if both copies are damaged: then none of its records was read. */
	readonly header: SegmentHeader | null;
	/** Null if there is none, or if it is damaged. */
	readonly footer: SegmentFooter | null;
	readonly isLast: boolean;
	readonly bytes: number;
	/** Offset after the last record. */
	readonly dataEnd: number;
	/** Where the records end by the records themselves. */
	readonly end: SegmentEnd;
	/** How many of the records that restate the log's state were read. */
	readonly stateRecords: number;
}

/** What a walk finds, in order. */
export interface LogVisitor {
	/** A segment's records come next. */
	begins?(segment: SegmentId, footer: SegmentFooter | null): void;
	/**
	 * @param at where the record of `length` bytes stands in `bytes`, which are valid during the call
	 * @returns false if no more is wanted: the walk ends there
	 */
	record(segment: SegmentId, offset: number, length: number, bytes: Buffer, at: number): boolean;
	/** Bytes that were records, and no longer are. */
	damage(segment: SegmentId, start: number, end: number): void;
	/** A segment was read to its end. */
	segment(segment: WalkedSegment): void;
}

/** Ends the reading of a segment: no more of it is wanted. */
export class Stopped extends Error {}

/**
 * Reads all records of a log, oldest first, and changes nothing. A relay may write to it meanwhile: the walk ends with what was
 * there when it came to the last segment. A segment that retention removes meanwhile is passed over.
 *
 * @param wanted which segments are read; by default all
 * @throws Error if the folder holds no log, if it or a segment can't be read, or if a segment has another format
 */
export function walkLog(
	fs: LogFs,
	directory: string,
	visitor: LogVisitor,
	wanted: (id: SegmentId, next: SegmentId | null) => boolean = () => true,
): void {
	const found = listSegments(fs, directory);
	// A new log may have no segment yet, a copy of one has no id.
	if (found.length === 0 && !hasLogId(fs, directory)) throw new Error("there is none");
	for (const [at, id] of found.entries()) {
		const next = found[at + 1] ?? null;
		if (!wanted(id, next)) continue;
		const file = openIfThere(fs, directory, id);
		if (file === null) continue;
		try {
			// After the last segment was opened: then its records up to there are in the file.
			const used = next === null ? (readLastUsed(fs, directory)?.numbers ?? null) : null;
			visitor.segment(walkSegment(fs, file, { id, next, used }, visitor));
		} catch (error) {
			if (error instanceof Stopped) return;
			throw error;
		} finally {
			fs.close(file);
		}
	}
}

/** @param next the segment after this one; null if this is the last, for which `used` may say how much of it is published */
function walkSegment(
	fs: LogFs,
	file: number,
	{ id, next, used }: { id: SegmentId; next: SegmentId | null; used: UsedNumbers | null },
	visitor: LogVisitor,
): WalkedSegment {
	const bytes = fs.sizeBytes(file);
	const header = readSegmentHeader(fs, file);
	const end = emptyEnd(id, header?.createdUs ?? 0);
	const isLast = next === null;
	if (header === null)
		return { id, header, footer: null, isLast, bytes, dataEnd: SEGMENT_HEADER_BYTES, end, stateRecords: 0 };
	const { epoch, stateLsn } = header;
	const footer = readSegmentFooter(fs, file, epoch);
	visitor.begins?.(id, footer);
	// What comes after that may be half written.
	const publishedEnd = footer?.dataEnd ?? publishedEndOf(used, epoch);
	const stateLsnMax = stateLsn + header.stateRecords - 1;
	let stateRecords = 0;
	const dataEnd = scanRecords(
		new FileSource(fs, file, publishedEnd ?? undefined, true),
		{
			start: SEGMENT_HEADER_BYTES,
			epoch,
			lsnAfter: id.firstLsn - 1,
			lsnMax: next === null ? Number.MAX_SAFE_INTEGER : next.firstLsn - 1,
			publishedEnd,
		},
		{
			record(offset, length, source, at) {
				const lsn = recordLsn(source, at);
				const isRestated = (recordFlags(source, at) & RecordFlag.restated) !== 0;
				if (isRestated && lsn >= stateLsn && lsn <= stateLsnMax) stateRecords += 1;
				if (!visitor.record(id, offset, length, source, at)) throw new Stopped();
				moveEnd(end, source, at);
			},
			damage: (start, damageEnd) => visitor.damage(id, start, damageEnd),
		},
	);
	return { id, header, footer, isLast, bytes, dataEnd, end, stateRecords };
}
