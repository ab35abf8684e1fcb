import { SEGMENT_BYTES_MAX } from "../../config/bounds.ts";
import { Seqlock, SeqlockView } from "../../runtime/seqlock.ts";
import type { LogPlace } from "../log.ts";
import { firstAfter } from "../record/first-after.ts";
import { SEGMENT_HEADER_BYTES } from "./segment/segment.ts";
import {
	type ChunkRange,
	type Extent,
	findPlace,
	findRange,
	INDEX_STRIDE_BYTES,
	type IndexEntries,
	type SegmentIndex,
} from "./segment/segment-index.ts";

/** What the writer has published of the segments, all at the same moment. */
export interface ActiveSnapshot {
	/** No retained record has a lower lsn. */
	firstLsn: number;
	/** No retained message has a lower seq. */
	firstSeq: number;
	/** Lsn of the last published record. */
	lastLsn: number;
	/** Seq of the last published message. */
	lastSeq: number;
	/** First lsn of the active segment, as in its name; 0 before the log is open. */
	activeFirstLsn: number;
	/** Its epoch. If its first sync fails, another segment with the same name but another epoch takes its place. */
	activeEpoch: number;
	/** Offset, in that segment, after the last published record. */
	endOffset: number;
}

const FIRST_LSN = 0;
const FIRST_SEQ = 1;
const LAST_LSN = 2;
const LAST_SEQ = 3;
const ACTIVE_FIRST_LSN = 4;
const ACTIVE_EPOCH = 5;
const END_OFFSET = 6;
const INDEX_LENGTH = 7;
const INDEX = 8;
/** Numbers of an entry: lsn, seq, time, offset. */
const ENTRY_NUMBERS = 4;

/** A segment ends with the batch that fills it, so it may be longer than its target size, and its index too. */
const INDEX_ENTRIES_MAX = SEGMENT_BYTES_MAX / INDEX_STRIDE_BYTES + 256;

/** Makes the memory of an active segment. */
export function createActiveSegmentBuffer(): SharedArrayBuffer {
	return Seqlock.createBuffer(INDEX + ENTRY_NUMBERS * INDEX_ENTRIES_MAX);
}

/**
 * The active segment as far as it is published, in shared memory, for the readers of the log's files. Its sparse index is here,
 * so that no reader has to scan that segment.
 *
 * The log's ends are here as well as in the log's position, since a reader needs all of these numbers of the same moment. This
 * is written first, so whoever has seen the position finds at least as much here.
 */
export class ActiveSegment {
	readonly #numbers: Seqlock;
	readonly #index: IndexEntries = {
		lsns: { at: (entry) => this.#numbers.get(INDEX + ENTRY_NUMBERS * entry) },
		seqs: { at: (entry) => this.#numbers.get(INDEX + ENTRY_NUMBERS * entry + 1) },
		timesUs: { at: (entry) => this.#numbers.get(INDEX + ENTRY_NUMBERS * entry + 2) },
		offsets: { at: (entry) => this.#numbers.get(INDEX + ENTRY_NUMBERS * entry + 3) },
	};
	readonly #view: SeqlockView<ActiveSnapshot>;

	constructor(buffer: SharedArrayBuffer = createActiveSegmentBuffer()) {
		this.#numbers = new Seqlock(buffer);
		this.#view = new SeqlockView(this.#numbers, (numbers) => ({
			firstLsn: numbers.get(FIRST_LSN),
			firstSeq: numbers.get(FIRST_SEQ),
			lastLsn: numbers.get(LAST_LSN),
			lastSeq: numbers.get(LAST_SEQ),
			activeFirstLsn: numbers.get(ACTIVE_FIRST_LSN),
			activeEpoch: numbers.get(ACTIVE_EPOCH),
			endOffset: numbers.get(END_OFFSET),
		}));
	}

	get buffer(): SharedArrayBuffer {
		return this.#numbers.buffer;
	}

	/** What is published of the segments. Callers share the object, which never changes: a new state comes in a new object. */
	snapshot(): ActiveSnapshot {
		return this.#view.value;
	}

	/**
	 * The published chunk of the active segment that would hold `lsn`, null if the segment has no records.
	 *
	 * @returns `undefined` if `snapshot` is outdated, since another segment is active: take a new snapshot
	 */
	range(snapshot: ActiveSnapshot, lsn: number): ChunkRange | null | undefined {
		const count = this.#numbers.get(INDEX_LENGTH);
		return this.#published(snapshot, findRange(this.#index, count, lsn, extentOf(snapshot)));
	}

	/**
	 * The published chunk of the active segment with the last record before `place`; null if the segment has no record before it.
	 *
	 * @returns `undefined` as `range`
	 */
	rangeOfPlace(snapshot: ActiveSnapshot, place: LogPlace): ChunkRange | null | undefined {
		// Entries of records after the snapshot's end would lead past it.
		const count = firstAfter(this.#index.lsns, this.#numbers.get(INDEX_LENGTH), snapshot.lastLsn);
		return this.#published(snapshot, findPlace(this.#index, count, place, extentOf(snapshot)));
	}

	/** Cuts a range that was found in the index to what the snapshot has. */
	#published(snapshot: ActiveSnapshot, range: ChunkRange | null): ChunkRange | null | undefined {
		const { activeFirstLsn, endOffset, lastLsn } = snapshot;
		// Entries are only added until another segment becomes active. That is stored before any entry changes.
		if (this.#numbers.get(ACTIVE_FIRST_LSN) !== activeFirstLsn) return undefined;
		if (range === null || lastLsn < activeFirstLsn) return null;
		// The index may have grown since the snapshot, which does not have those records yet.
		return { ...range, end: Math.min(range.end, endOffset), lsnMax: Math.min(range.lsnMax, lastLsn) };
	}

	/** Publishes a new state, with the active segment's index. Only the log's writer calls it. */
	publish(snapshot: ActiveSnapshot, index: SegmentIndex): void {
		const numbers = this.#numbers;
		numbers.begin();
		const isSameSegment = numbers.get(ACTIVE_FIRST_LSN) === snapshot.activeFirstLsn;
		numbers.set(FIRST_LSN, snapshot.firstLsn);
		numbers.set(FIRST_SEQ, snapshot.firstSeq);
		numbers.set(LAST_LSN, snapshot.lastLsn);
		numbers.set(LAST_SEQ, snapshot.lastSeq);
		numbers.set(ACTIVE_FIRST_LSN, snapshot.activeFirstLsn);
		numbers.set(ACTIVE_EPOCH, snapshot.activeEpoch);
		numbers.set(END_OFFSET, snapshot.endOffset);
		const length = Math.min(index.length, INDEX_ENTRIES_MAX);
		for (let entry = isSameSegment ? numbers.get(INDEX_LENGTH) : 0; entry < length; entry++) {
			const at = INDEX + ENTRY_NUMBERS * entry;
			numbers.set(at, index.lsns[entry] ?? 0);
			numbers.set(at + 1, index.seqs[entry] ?? 0);
			numbers.set(at + 2, index.timesUs[entry] ?? 0);
			numbers.set(at + 3, index.offsets[entry] ?? 0);
		}
		numbers.set(INDEX_LENGTH, length);
		numbers.end();
	}
}

function extentOf({ endOffset, lastLsn }: ActiveSnapshot): Extent {
	return { start: SEGMENT_HEADER_BYTES, end: endOffset, lastLsn };
}
