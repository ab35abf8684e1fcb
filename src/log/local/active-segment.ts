import { SEGMENT_BYTES_MAX } from "../../config/bounds.ts";
import { Seqlock, SeqlockView } from "../../runtime/seqlock.ts";
import { SEGMENT_HEADER_BYTES } from "./segment/segment.ts";
import {
	type ChunkRange,
	findRange,
	INDEX_STRIDE_BYTES,
	type IndexEntries,
	type SegmentIndex,
} from "./segment/segment-index.ts";

/** What the writer says of the segments, all of one moment. */
export interface ActiveSnapshot {
	/** No retained record has a lower seq. */
	firstSeq: number;
	/** Seq of the last published record. */
	lastSeq: number;
	/** Names the segment that is written to; 0 before the log is open. */
	activeFirstSeq: number;
	/** Its epoch: another one with the same name takes its place if its first sync failed. */
	activeEpoch: number;
	/** Offset in it after the last published record. */
	endOffset: number;
}

const FIRST_SEQ = 0;
const LAST_SEQ = 1;
const ACTIVE_FIRST_SEQ = 2;
const ACTIVE_EPOCH = 3;
const END_OFFSET = 4;
const INDEX_LENGTH = 5;
/** Two numbers an entry: seq, offset. */
const INDEX = 6;

/** A segment ends with the batch that fills it, so its index may outgrow the size target by a little. */
const INDEX_ENTRIES_MAX = SEGMENT_BYTES_MAX / INDEX_STRIDE_BYTES + 256;

/** Makes the memory of an active segment. */
export function createActiveSegmentBuffer(): SharedArrayBuffer {
	return Seqlock.createBuffer(INDEX + 2 * INDEX_ENTRIES_MAX);
}

/**
 * The segment that is written to, as far as it is published, in shared memory, for the readers of the log's files. Its sparse
 * index stands here, so that no reader has to scan that segment.
 *
 * The log's ends stand here as well as in the log's position, since a reader needs all of it of one moment. This is written
 * first: whoever saw the position finds here at least what it tells of.
 */
export class ActiveSegment {
	readonly #numbers: Seqlock;
	readonly #index: IndexEntries = {
		seq: (entry) => this.#numbers.get(INDEX + 2 * entry),
		offset: (entry) => this.#numbers.get(INDEX + 2 * entry + 1),
	};
	readonly #view: SeqlockView<ActiveSnapshot>;

	constructor(buffer: SharedArrayBuffer = createActiveSegmentBuffer()) {
		this.#numbers = new Seqlock(buffer);
		this.#view = new SeqlockView(this.#numbers, (numbers) => ({
			firstSeq: numbers.get(FIRST_SEQ),
			lastSeq: numbers.get(LAST_SEQ),
			activeFirstSeq: numbers.get(ACTIVE_FIRST_SEQ),
			activeEpoch: numbers.get(ACTIVE_EPOCH),
			endOffset: numbers.get(END_OFFSET),
		}));
	}

	get buffer(): SharedArrayBuffer {
		return this.#numbers.buffer;
	}

	/** The state of the segments. The object is shared and replaced, never changed. */
	snapshot(): ActiveSnapshot {
		return this.#view.value;
	}

	/**
	 * The published chunk of the active segment that would hold `seq`, null if the segment has no records.
	 *
	 * @returns `undefined` if `snapshot` is outdated, since another segment is active: take a new one
	 */
	range(snapshot: ActiveSnapshot, seq: number): ChunkRange | null | undefined {
		const { activeFirstSeq, endOffset, lastSeq } = snapshot;
		const extent = { start: SEGMENT_HEADER_BYTES, end: endOffset, lastSeq };
		const range = findRange(this.#index, this.#numbers.get(INDEX_LENGTH), seq, extent);
		// The entries are only ever added to, until another segment becomes active; that is stored before they change.
		if (this.#numbers.get(ACTIVE_FIRST_SEQ) !== activeFirstSeq) return undefined;
		if (range === null || lastSeq < activeFirstSeq) return null;
		// The index may have grown since the snapshot: what it says of later records is not the caller's business yet.
		return { start: range.start, end: Math.min(range.end, endOffset), seqMax: Math.min(range.seqMax, lastSeq) };
	}

	/** Publishes a new state, with the active segment's index. Only the log's writer calls it. */
	publish(snapshot: ActiveSnapshot, index: SegmentIndex): void {
		const numbers = this.#numbers;
		numbers.begin();
		const isSameSegment = numbers.get(ACTIVE_FIRST_SEQ) === snapshot.activeFirstSeq;
		numbers.set(FIRST_SEQ, snapshot.firstSeq);
		numbers.set(LAST_SEQ, snapshot.lastSeq);
		numbers.set(ACTIVE_FIRST_SEQ, snapshot.activeFirstSeq);
		numbers.set(ACTIVE_EPOCH, snapshot.activeEpoch);
		numbers.set(END_OFFSET, snapshot.endOffset);
		const length = Math.min(index.length, INDEX_ENTRIES_MAX);
		for (let entry = isSameSegment ? numbers.get(INDEX_LENGTH) : 0; entry < length; entry++) {
			numbers.set(INDEX + 2 * entry, index.seq(entry));
			numbers.set(INDEX + 2 * entry + 1, index.offset(entry));
		}
		numbers.set(INDEX_LENGTH, length);
		numbers.end();
	}
}
