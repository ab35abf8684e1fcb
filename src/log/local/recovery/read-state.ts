import { join } from "node:path";
import { logOf } from "../../../observe/log.ts";
import { RecordFlag, recordFlags, recordLsn } from "../../record/record.ts";
import { LogState } from "../../state.ts";
import type { LogFs } from "../log-fs.ts";
import { FileSource, scanRecords } from "../segment/scan.ts";
import {
	readSegmentHeader,
	SEGMENT_HEADER_BYTES,
	type SegmentHeader,
	type SegmentId,
	segmentName,
} from "../segment/segment.ts";

const log = logOf("log");

/** Folds the records of one segment into a state, and checks whether all records are there that restate the log's state. */
export class SegmentFold {
	readonly state: LogState;
	readonly #header: SegmentHeader;
	#restated = 0;
	#restatedBytes = 0;

	constructor(state: LogState, header: SegmentHeader) {
		this.state = state;
		this.#header = header;
	}

	/** @param at where the segment's next record, of `length` bytes, stands in `bytes` */
	add(bytes: Buffer, at: number, length: number): void {
		this.state.addAt(bytes, at);
		const lsn = recordLsn(bytes, at);
		const { stateLsn, stateRecords } = this.#header;
		// If one was torn off before it was published, a record that is none of the state has its lsn now.
		const isRestated = (recordFlags(bytes, at) & RecordFlag.restated) !== 0;
		if (!isRestated || lsn < stateLsn || lsn >= stateLsn + stateRecords) return;
		this.#restated += 1;
		this.#restatedBytes += length;
	}

	/** Whether all records that restate the log's state were there, so that no older segment has to be read for it. */
	get isWhole(): boolean {
		return this.#restated === this.#header.stateRecords;
	}

	/** Bytes of the records that restate the log's state. */
	get restatedBytes(): number {
		return this.#restatedBytes;
	}
}

/**
 * The log's state after these segments, for a start that can't take it from the last one alone. It reads the last segment that
 * restates all of the state, and what follows.
 *
 * @param segments all of the log, oldest first
 */
export function readState(fs: LogFs, directory: string, segments: readonly SegmentId[]): LogState {
	for (let first = segments.length - 1; first >= 0; first--) {
		const state = new LogState();
		if (!foldSegment(fs, directory, segments, first, state)) continue;
		for (let at = first + 1; at < segments.length; at++) foldSegment(fs, directory, segments, at, state);
		return state;
	}
	const state = new LogState();
	for (const at of segments.keys()) foldSegment(fs, directory, segments, at, state);
	if (segments.length > 0)
		log.error(
			"the list of hosts and their cursors is damaged in every segment of the log: what is lost there is only in the index " +
				"database now. Back it up",
		);
	return state;
}

/** Folds one segment. Returns whether it restates all of the log's state. */
function foldSegment(
	fs: LogFs,
	directory: string,
	segments: readonly SegmentId[],
	at: number,
	state: LogState,
): boolean {
	const [id, next] = segments.slice(at, at + 2);
	if (id === undefined) return false;
	const file = fs.open(join(directory, segmentName(id)), "read");
	const header = fs.sizeBytes(file) < SEGMENT_HEADER_BYTES ? null : readSegmentHeader(fs, file);
	const fold = header === null ? null : new SegmentFold(state, header);
	if (header !== null && fold !== null) {
		const range = { start: SEGMENT_HEADER_BYTES, epoch: header.epoch, lsnAfter: id.firstLsn - 1 };
		scanRecords(
			new FileSource(fs, file),
			// Records with greater lsns are the next segment's, since a sync of this one failed.
			{ ...range, lsnMax: (next?.firstLsn ?? Number.MAX_SAFE_INTEGER) - 1 },
			{
				record: (_offset, length, bytes, at) => fold.add(bytes, at, length),
				// The damage was reported, or will be when a reader comes to it.
				damage() {},
			},
		);
	}
	fs.close(file);
	return fold?.isWhole === true;
}
