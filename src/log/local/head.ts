import { SEGMENT_BYTES_MAX } from "../../config/bounds.ts";
import { SEGMENT_HEADER_BYTES } from "./segment/segment.ts";
import { type Block, findBlock, INDEX_STRIDE_BYTES, type SegmentIndex } from "./segment/segment-index.ts";

/** What the sequencer says of the log, all of one moment. */
export interface HeadSnapshot {
	/** No retained record has a lower seq. */
	firstSeq: number;
	/** Seq of the last published record; `firstSeq - 1` or less where there is none. */
	lastSeq: number;
	/**
	 * The greatest seq that may ever have been given out: a cursor above it is in the future. It is `lastSeq`, but for the
	 * time between a crash, behind which some seqs are left out, and the next record.
	 */
	seqUsedMax: number;
	/** Names the segment that is written to; 0 before the log is open. */
	activeFirstSeq: number;
	/** Its epoch: another one with the same name takes its place where its first sync failed. */
	activeEpoch: number;
	/** Offset in it behind the last published record. */
	endOffset: number;
	/** Time of the last published record, microseconds since 1970. */
	lastTimeUs: number;
	/** Up to here, every published record is on the disk. In sync mode `write` it is behind `lastSeq` by up to a moment. */
	durableSeq: number;
}

/** Which end of the log somebody waits for. */
export type LogEnd = "lastSeq" | "durableSeq";

/** Words, of 4 bytes. Numbers take two: with Atomics on halves there is no BigInt to allocate. */
const VERSION = 0;
const FIELDS = 2;
const FIELD_COUNT = 8;
const ACTIVE_FIRST_SEQ = FIELDS + 6;
const INDEX_LENGTH = FIELDS + 2 * FIELD_COUNT;
const APPLIED = INDEX_LENGTH + 2;
const INDEX = APPLIED + 2;

/** A segment ends with the batch that fills it, so its index may outgrow the size target by a little. */
const INDEX_ENTRIES_MAX = SEGMENT_BYTES_MAX / INDEX_STRIDE_BYTES + 256;
const HALF = 0x1_0000_0000;

/** Makes the memory of a head. */
export function createHeadBuffer(): SharedArrayBuffer {
	return new SharedArrayBuffer(4 * (INDEX + 4 * INDEX_ENTRIES_MAX));
}

/**
 * The end of the log, as far as it is published, in shared memory: readers on any thread wait for this and nothing else.
 *
 * A version word makes it consistent (a seqlock): it is odd while the one writer writes, and a reader that saw it change
 * looks again. The sparse index of the active segment stands here too, so that no reader has to scan that segment.
 */
export class LogHead {
	readonly buffer: SharedArrayBuffer;
	readonly #words: Int32Array;
	#snapshot: HeadSnapshot;
	#snapshotVersion = -1;

	constructor(buffer: SharedArrayBuffer = createHeadBuffer()) {
		this.buffer = buffer;
		this.#words = new Int32Array(buffer);
		this.#snapshot = this.snapshot();
	}

	/** The state of the log. The object is shared and replaced, never changed. */
	snapshot(): HeadSnapshot {
		for (;;) {
			const version = Atomics.load(this.#words, VERSION);
			if (version === this.#snapshotVersion) return this.#snapshot;
			if ((version & 1) === 1) continue;
			const snapshot: HeadSnapshot = {
				firstSeq: this.#load(FIELDS),
				lastSeq: this.#load(FIELDS + 2),
				seqUsedMax: this.#load(FIELDS + 4),
				activeFirstSeq: this.#load(ACTIVE_FIRST_SEQ),
				endOffset: this.#load(FIELDS + 8),
				lastTimeUs: this.#load(FIELDS + 10),
				activeEpoch: this.#load(FIELDS + 12),
				durableSeq: this.#load(FIELDS + 14),
			};
			if (Atomics.load(this.#words, VERSION) !== version) continue;
			this.#snapshot = snapshot;
			this.#snapshotVersion = version;
			return snapshot;
		}
	}

	/**
	 * The published block of the active segment that would hold `seq`, null where the segment has no records.
	 *
	 * @returns `undefined` where `snapshot` is outdated, since another segment is active: take a new one
	 */
	activeBlock(snapshot: HeadSnapshot, seq: number): Block | null | undefined {
		const { activeFirstSeq, endOffset, lastSeq } = snapshot;
		const block = findBlock(
			this.#load(INDEX_LENGTH),
			(entry) => this.#load(INDEX + 4 * entry),
			(entry) => this.#load(INDEX + 4 * entry + 2),
			seq,
			{ start: SEGMENT_HEADER_BYTES, end: endOffset, lastSeq },
		);
		// The entries are only ever added to, until another segment becomes active; that is stored before they change.
		if (this.#load(ACTIVE_FIRST_SEQ) !== activeFirstSeq) return undefined;
		if (block === null || lastSeq < activeFirstSeq) return null;
		// The index may have grown since the snapshot: what it says of later records is not the caller's business yet.
		return { start: block.start, end: Math.min(block.end, endOffset), seqMax: Math.min(block.seqMax, lastSeq) };
	}

	/** Publishes a new state, with the active segment's index. Only the log's writer calls it. */
	publish(snapshot: HeadSnapshot, index: SegmentIndex): void {
		Atomics.add(this.#words, VERSION, 1);
		const isSameSegment = this.#load(ACTIVE_FIRST_SEQ) === snapshot.activeFirstSeq;
		this.#store(FIELDS, snapshot.firstSeq);
		this.#store(FIELDS + 2, snapshot.lastSeq);
		this.#store(FIELDS + 4, snapshot.seqUsedMax);
		this.#store(ACTIVE_FIRST_SEQ, snapshot.activeFirstSeq);
		this.#store(FIELDS + 8, snapshot.endOffset);
		this.#store(FIELDS + 10, snapshot.lastTimeUs);
		this.#store(FIELDS + 12, snapshot.activeEpoch);
		this.#store(FIELDS + 14, snapshot.durableSeq);
		const length = Math.min(index.length, INDEX_ENTRIES_MAX);
		for (let entry = isSameSegment ? this.#load(INDEX_LENGTH) : 0; entry < length; entry++) {
			this.#store(INDEX + 4 * entry, index.seqAt(entry));
			this.#store(INDEX + 4 * entry + 2, index.offsetAt(entry));
		}
		this.#store(INDEX_LENGTH, length);
		Atomics.add(this.#words, VERSION, 1);
		Atomics.notify(this.#words, VERSION);
	}

	/**
	 * Resolves when something with a seq above `seq` is published, at the next publication, or after `timeoutMs`.
	 *
	 * @param end `durableSeq` to wait for what is on the disk, too
	 */
	async wait(seq: number, timeoutMs: number, end: LogEnd = "lastSeq"): Promise<void> {
		const version = Atomics.load(this.#words, VERSION);
		if (this.snapshot()[end] > seq) return;
		const waiting = Atomics.waitAsync(this.#words, VERSION, version, timeoutMs);
		if (waiting.async) await waiting.value;
	}

	/** Seq of the last record that the index has applied: retention keeps what lies behind it. */
	applied(): number {
		// It only grows, and is stored low half first: read the other way round it is never greater than what was stored.
		const high = Atomics.load(this.#words, APPLIED + 1) >>> 0;
		return high * HALF + (Atomics.load(this.#words, APPLIED) >>> 0);
	}

	/** Only the index calls it, with growing seqs. */
	setApplied(seq: number): void {
		this.#store(APPLIED, seq);
	}

	#load(word: number): number {
		return (Atomics.load(this.#words, word) >>> 0) + (Atomics.load(this.#words, word + 1) >>> 0) * HALF;
	}

	#store(word: number, value: number): void {
		Atomics.store(this.#words, word, value);
		Atomics.store(this.#words, word + 1, Math.floor(value / HALF));
	}
}
