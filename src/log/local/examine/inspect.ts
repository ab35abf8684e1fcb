// log/local/examine/: what stands in the log's files, for an operator, also while a relay writes to them. It changes nothing.

import { basename } from "node:path";
import { decode } from "@atcute/cbor";
import { OutputFailed } from "../../../runtime/line-output.ts";
import { decodeControl } from "../../record/control.ts";
import { didOf } from "../../record/message-facts.ts";
import { isMessageKind, RecordFlag, RecordKind } from "../../record/record.ts";
import { decodeStateFacts } from "../../record/state-facts.ts";
import { decodeRecord, type StoredRecord } from "../../record/stored-record.ts";
import type { LogFs } from "../log-fs.ts";
import { FileSource, scanRecords } from "../segment/scan.ts";
import { readSegmentFooter, readSegmentHeader, SEGMENT_HEADER_BYTES, type SegmentFooter } from "../segment/segment.ts";
import { Stopped } from "./walk.ts";

/** A value that JSON can say. */
type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

/** A part of a segment's file. They come in this order: the header, the records and damaged stretches, and the end. */
export type SegmentPart = SegmentStart | InspectedRecord | DamagedBytes | SegmentEnd;

export interface SegmentStart {
	readonly part: "segment";
	readonly file: string;
	readonly epoch: number;
	readonly firstLsn: number;
	/** The seq that the next message had when the segment was begun. */
	readonly firstSeq: number;
	/** First lsn of the segment before; 0 for none. */
	readonly previousFirstLsn: number;
	/** Lsn of the first record that restates the log's state. `stateRecords` says how many do. */
	readonly stateLsn: number;
	readonly stateRecords: number;
	/** In UTC, to the microsecond. */
	readonly created: string;
}

export interface InspectedRecord {
	readonly part: "record";
	readonly offset: number;
	readonly bytes: number;
	readonly lsn: number;
	readonly seq: number;
	readonly time: string;
	/** Its name; or its code if this release does not know it. */
	readonly kind: string | number;
	readonly flags: readonly string[];
	readonly host: number;
	readonly upstreamSeq: number;
	/** Number of ops of a commit; 0 for everything else. */
	readonly ops: number;
	/** Of a message, the DID. Of a control record, what it says. */
	readonly says: Json;
}

export interface DamagedBytes {
	readonly part: "damage";
	readonly start: number;
	readonly end: number;
}

export interface SegmentEnd {
	readonly part: "end";
	/** Offset after the last record. */
	readonly dataEnd: number;
	readonly records: number;
	/** Bytes after the last record that are no record and no footer: torn, or not written yet. */
	readonly tailBytes: number;
	/** Null if there is none, since the segment is active or a crash ended it; or if it is damaged. */
	readonly footer: SegmentFooterPart | null;
}

export interface SegmentFooterPart {
	readonly lastLsn: number;
	readonly lastSeq: number;
	/** No record after the segment has an earlier time. */
	readonly endTime: string;
	/** Number of entries in its sparse index. */
	readonly entries: number;
}

/** A file can't be shown. The message is a sentence for the operator. */
export class InspectError extends Error {
	override readonly name = "InspectError";
}

/**
 * Reads a segment from its beginning to its end, and changes nothing. The segment may be torn, or damaged, or that of a relay
 * that runs. This takes a few megabytes of memory, whatever the file's size is.
 *
 * @param visit called with each part. If it returns false, the rest is left out
 * @throws InspectError if the file is no segment of this format, or if it can't be read
 */
export function inspectSegment(fs: LogFs, path: string, visit: (part: SegmentPart) => boolean): void {
	const file = opened(fs, path);
	try {
		inspectFile(fs, file, path, visit);
	} catch (error) {
		if (error instanceof Stopped) return;
		if (error instanceof InspectError || error instanceof OutputFailed) throw error;
		throw new InspectError(`${path} can't be read: ${messageOf(error)}`);
	} finally {
		fs.close(file);
	}
}

function opened(fs: LogFs, path: string): number {
	try {
		return fs.open(path, "read");
	} catch (error) {
		throw new InspectError(`${path} can't be opened: ${messageOf(error)}`);
	}
}

function inspectFile(fs: LogFs, file: number, path: string, visit: (part: SegmentPart) => boolean): void {
	const header = readSegmentHeader(fs, file);
	if (header === null)
		throw new InspectError(`${path} is no segment of a log, or both copies of its header are damaged`);
	const say = (part: SegmentPart): void => {
		if (!visit(part)) throw new Stopped();
	};
	const { createdUs, ...numbers } = header;
	say({ part: "segment", file: basename(path), ...numbers, created: timeOf(createdUs) });

	const { epoch, firstLsn } = header;
	const footer = readSegmentFooter(fs, file, epoch);
	// The footer says where the records end.
	const publishedEnd = footer?.dataEnd ?? null;
	const source = new FileSource(fs, file, footer?.dataEnd, true);
	let records = 0;
	const range = { start: SEGMENT_HEADER_BYTES, lsnAfter: firstLsn - 1, lsnMax: Number.MAX_SAFE_INTEGER };
	const dataEnd = scanRecords(
		source,
		{ ...range, epoch, publishedEnd },
		{
			record(offset, length, bytes, at) {
				records += 1;
				say(recordPart(decodeRecord(bytes, at, length), offset, length));
			},
			damage: (start, end) => say({ part: "damage", start, end }),
		},
	);
	say({ part: "end", dataEnd, records, tailBytes: source.end - dataEnd, footer: footerPart(footer) });
}

function footerPart(footer: SegmentFooter | null): SegmentFooterPart | null {
	if (footer === null) return null;
	const { lastLsn, lastSeq, endTimeUs, index } = footer;
	return { lastLsn, lastSeq, endTime: timeOf(endTimeUs), entries: index.length };
}

function recordPart(record: StoredRecord, offset: number, bytes: number): InspectedRecord {
	const { lsn, seq, timeUs, host, upstreamSeq, ops } = record;
	const kind = KIND_NAMES.get(record.kind) ?? record.kind;
	const place = { offset, bytes, lsn, seq, time: timeOf(timeUs) };
	return { part: "record", ...place, kind, flags: flagsOf(record), host, upstreamSeq, ops, says: saidBy(record) };
}

const KIND_NAMES = new Map<number, string>(Object.entries(RecordKind).map(([name, code]) => [code, name]));

/** The names of the flags that are set, and as one number those that this release does not know. */
function flagsOf({ flags }: StoredRecord): string[] {
	const known = Object.entries(RecordFlag).filter(([, flag]) => (flags & flag) !== 0);
	const unknown = known.reduce((left, [, flag]) => left & ~flag, flags);
	return [...known.map(([name]) => name), ...(unknown === 0 ? [] : [String(unknown)])];
}

/** Bytes of facts that are shown if this release can't decode them. */
const UNKNOWN_BYTES_SHOWN = 64;

function saidBy(record: StoredRecord): Json {
	const { kind, flags, facts } = record;
	try {
		if (isMessageKind(kind)) return didOf(record) ?? shown(facts);
		const control = decodeControl(record);
		if (control?.kind === "cursors") return control.facts.cursors.map(({ host, seq }) => [host, seq]);
		if (control !== null) return toJson(control.facts);
		if ((flags & RecordFlag.state) === 0) return shown(facts);
		const { key, value } = decodeStateFacts(facts);
		return { key: Buffer.from(key).toString("hex"), value: value.length === 0 ? null : toJson(decode(value)) };
	} catch {
		// The checksum is right, so this is not damage: another release gives the facts another meaning.
		return shown(facts);
	}
}

function shown(facts: Uint8Array): Json {
	return { facts: Buffer.from(facts.subarray(0, UNKNOWN_BYTES_SHOWN)).toString("hex"), factsBytes: facts.length };
}

/** Replaces links and bytes by the JSON objects that stand for them. */
function toJson(value: unknown): Json {
	return JSON.parse(JSON.stringify(value));
}

/** In UTC, to the microsecond. */
function timeOf(timeUs: number): string {
	const date = new Date(Math.floor(timeUs / 1000));
	if (Number.isNaN(date.getTime())) return `${timeUs} us`;
	return date.toISOString().replace("Z", `${String(timeUs % 1000).padStart(3, "0")}Z`);
}

function messageOf(error: unknown): string {
	return error instanceof Error ? error.message : String(error);
}
