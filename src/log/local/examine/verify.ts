import { isMessageKind, recordKind, recordLsn, recordSeq, recordTimeUs } from "../../record/record.ts";
import type { LogFs } from "../log-fs.ts";
import { type SegmentFooter, type SegmentId, segmentName } from "../segment/segment.ts";
import { SegmentIndex } from "../segment/segment-index.ts";
import { type WalkedSegment, walkLog } from "./walk.ts";

/** What can be wrong with a log. */
export const LOG_FAULTS = {
	"header-damaged": "both copies of the header are damaged, so no record of the segment can be read",
	"name-differs": "the numbers in the file's name are not those in its header",
	"segment-missing": "a segment of the log is missing",
	"records-damaged": "bytes that were records can't be read as records",
	"seq-order": "a seq is not greater than the one before",
	"time-order": "a record's time is before that of the one before",
	"footer-differs": "the footer does not say what the records say",
	"index-differs": "the index of the segment does not point to the records",
	"state-incomplete": "records that restate the log's state are missing at the beginning of the segment",
} as const;

export type LogFaultName = keyof typeof LOG_FAULTS;

export interface LogFault {
	readonly fault: LogFaultName;
	readonly segment: string;
	/** Where, in words. */
	readonly detail: string;
}

/** What was found in a log. */
export interface LogSummary {
	segments: number;
	bytes: number;
	records: number;
	messages: number;
	/** Of the first and the last message; null if there is none. */
	firstSeq: number | null;
	lastSeq: number | null;
	/** Times in the log, microseconds since 1970: from the first record to the last. */
	firstTimeUs: number | null;
	lastTimeUs: number | null;
	/** Seqs that no message has although messages before and after have theirs. They are left out after some crashes; it is no fault. */
	seqsLeftOut: number;
	/** Segments before the last that have no footer: a crash ended them, or the footer is damaged. Their records are found all the same. */
	unsealed: number;
	/** All that were found; `onFault` got each of them. */
	faults: number;
}

export interface VerifyOptions {
	onFault: (fault: LogFault) => void;
	/** Called after each segment. */
	onSegment: (summary: Readonly<LogSummary>) => void;
}

/**
 * Reads a whole log and checks what holds of every log: checksums, numbers and times that rise, segments that follow on each other,
 * footers and indexes that say what the records say. It changes nothing, takes a few megabytes of memory, and may run beside a relay.
 *
 * @throws Error if the log can't be read, or has another format
 */
export function verifyLog(fs: LogFs, directory: string, { onFault, onSegment }: VerifyOptions): LogSummary {
	const check = new LogCheck((fault, id, detail) => onFault({ fault, segment: segmentName(id), detail }));
	walkLog(fs, directory, {
		begins: (_, footer) => check.begins(footer),
		record(id, offset, _, bytes, at) {
			check.record(id, offset, bytes, at);
			return true;
		},
		damage: (id, start, end) => check.damage(id, start, end),
		segment(segment) {
			check.segment(segment);
			onSegment(check.summary);
		},
	});
	return check.summary;
}

class LogCheck {
	readonly summary: LogSummary = {
		...{ segments: 0, bytes: 0, records: 0, messages: 0, seqsLeftOut: 0, unsealed: 0, faults: 0 },
		...{ firstSeq: null, lastSeq: null, firstTimeUs: null, lastTimeUs: null },
	};
	readonly #tell: (fault: LogFaultName, id: SegmentId, detail: string) => void;
	#before: SegmentId | null = null;
	/** The index in the segment's footer, and its next entry. */
	#index = new SegmentIndex();
	#entry = 0;
	#areEntriesRight = true;
	/** Whether something of this segment is gone, so that its own words and its records can't agree. */
	#isDamaged = false;

	constructor(tell: (fault: LogFaultName, id: SegmentId, detail: string) => void) {
		this.#tell = (...told) => {
			this.summary.faults += 1;
			tell(...told);
		};
	}

	begins(footer: SegmentFooter | null): void {
		this.#index = footer?.index ?? new SegmentIndex();
		this.#entry = 0;
		this.#areEntriesRight = true;
		this.#isDamaged = false;
	}

	record(id: SegmentId, offset: number, bytes: Buffer, at: number): void {
		const { summary } = this;
		const [lsn, timeUs] = [recordLsn(bytes, at), recordTimeUs(bytes, at)];
		if (summary.lastTimeUs !== null && timeUs < summary.lastTimeUs)
			this.#tell("time-order", id, `the record of lsn ${lsn}`);
		summary.records += 1;
		summary.firstTimeUs ??= timeUs;
		summary.lastTimeUs = timeUs;
		this.#checkEntry(offset, lsn, recordSeq(bytes, at), timeUs);
		this.#seq(id, lsn, recordSeq(bytes, at), isMessageKind(recordKind(bytes, at)));
	}

	/** Entries of the index are in the order of the records. */
	#checkEntry(offset: number, lsn: number, seq: number, timeUs: number): void {
		const { lsns, seqs, timesUs, offsets } = this.#index;
		const entry = this.#entry;
		if (entry === offsets.length || offset < (offsets[entry] ?? 0)) return;
		const isRight =
			offsets[entry] === offset && lsns[entry] === lsn && seqs[entry] === seq && timesUs[entry] === timeUs;
		this.#areEntriesRight &&= isRight;
		this.#entry += 1;
	}

	#seq(id: SegmentId, lsn: number, seq: number, isMessage: boolean): void {
		const { summary } = this;
		const before = summary.lastSeq;
		if (before !== null && (isMessage ? seq <= before : seq < before))
			this.#tell("seq-order", id, `the record of lsn ${lsn} has seq ${seq}, after seq ${before}`);
		if (!isMessage) return;
		if (before !== null && seq > before + 1) summary.seqsLeftOut += seq - before - 1;
		summary.messages += 1;
		summary.firstSeq ??= seq;
		summary.lastSeq = seq;
	}

	damage(id: SegmentId, start: number, end: number): void {
		this.#isDamaged = true;
		this.#tell("records-damaged", id, `bytes ${start} to ${end}`);
	}

	segment(segment: WalkedSegment): void {
		const { id, header, footer, isLast, bytes } = segment;
		this.summary.segments += 1;
		this.summary.bytes += bytes;
		if (footer === null && !isLast) this.summary.unsealed += 1;
		if (header === null) this.#tell("header-damaged", id, `${bytes} bytes`);
		else this.#words(segment, header.previousFirstLsn);
		if (header !== null && (header.firstLsn !== id.firstLsn || header.firstSeq !== id.firstSeq))
			this.#tell("name-differs", id, `the header says lsn ${header.firstLsn} and seq ${header.firstSeq}`);
		this.#before = id;
	}

	/** Compares what the segment says of itself and of the one before with what was read. */
	#words({ id, header, footer, isLast, end, dataEnd, stateRecords }: WalkedSegment, previousFirstLsn: number): void {
		const before = this.#before;
		if (before !== null && previousFirstLsn !== before.firstLsn)
			this.#tell("segment-missing", id, `the one that begins with lsn ${previousFirstLsn}, before this one`);
		// A footer is written when the next segment is durable.
		if (footer !== null && isLast)
			this.#tell("segment-missing", id, `the one after lsn ${footer.lastLsn}, after this one`);
		if (header !== null && stateRecords < header.stateRecords)
			this.#tell("state-incomplete", id, `${stateRecords} of ${header.stateRecords} records`);
		if (footer === null || this.#isDamaged) return;
		if (footer.dataEnd !== dataEnd || footer.lastLsn !== end.lastLsn || footer.lastSeq !== end.lastSeq)
			this.#tell("footer-differs", id, `it says lsn ${footer.lastLsn}, the records end with ${end.lastLsn}`);
		if (!this.#areEntriesRight || this.#entry < footer.index.length)
			this.#tell("index-differs", id, `${footer.index.length} entries`);
	}
}
