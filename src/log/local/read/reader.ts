// log/local/read/: reading records after a cursor, through a cache. It never writes.

import { isNotFound } from "../../../disk/fault.ts";
import type { Counters } from "../../../observe/counters.ts";
import { logOf } from "../../../observe/log.ts";
import { counter } from "../../../observe/metric.ts";
import { RecentMap } from "../../../runtime/recent-map.ts";
import type { BlockingReader } from "../../log.ts";
import { type Batch, Gap } from "../../record/batch.ts";
import type { ActiveSegment, ActiveSnapshot } from "../active-segment.ts";
import type { LogFs } from "../log-fs.ts";
import { logGaps } from "../segment/damage.ts";
import { listSegments, SEGMENT_HEADER_BYTES } from "../segment/segment.ts";
import type { ChunkRange } from "../segment/segment-index.ts";
import { SegmentReader } from "../segment/segment-reader.ts";
import { BufferPool } from "./buffer-pool.ts";
import { type Chunk, parseChunk } from "./chunk.ts";
import { cachedBytes, partAfter, RecentChunks } from "./recent-chunks.ts";

const batchesEvicted = counter("batches_evicted_total", "batches that left the readers' cache since it was full");

export interface LogReaderOptions {
	directory: string;
	active: ActiveSegment;
	fs: LogFs;
	/** Bytes of records that the reader keeps for its consumers. */
	cacheBytesMax: number;
	counters: Counters;
}

/** Segments that a reader keeps open. */
const SEGMENTS_OPEN_MAX = 32;
/** Damaged places that are told apart, so that each is counted and reported once. */
const DAMAGE_KNOWN_MAX = 1_024;

/** What was written last is in the page cache: to read it costs no wait. */
const HOT_BYTES = 16 * 1024 * 1024;

/** Where a chunk is on the disk. */
export class ChunkPlace {
	readonly segment: SegmentReader;
	readonly range: ChunkRange;

	constructor(segment: SegmentReader, range: ChunkRange) {
		this.segment = segment;
		this.range = range;
	}

	/** Names it among all chunks. */
	get key(): string {
		return `${this.segment.firstSeq}:${this.range.start}:${this.range.end}`;
	}
}

const log = logOf("log");

/**
 * Reads the log for any number of consumers on one thread. A consumer that is live and one that catches up make the same
 * call; what a chunk costs to read and check is paid once for all that want it.
 */
export class LogReader implements BlockingReader {
	readonly #options: LogReaderOptions;
	readonly #recent: RecentChunks;
	/** Chunks that consumers who catch up have read, by their place's key. */
	readonly #chunks: RecentMap<string, Chunk>;
	readonly #memory = new BufferPool();
	/** Open segments. */
	readonly #open = new RecentMap<number, SegmentReader>({
		entriesMax: SEGMENTS_OPEN_MAX,
		onForgotten: (_firstSeq, segment) => segment.close(),
	});
	readonly #damageKnown = new Set<string>();
	/** The directory, as it was when the writer said this of it. */
	#segments: number[] = [];
	#listedFirstSeq = -1;
	#listedActiveFirstSeq = -1;

	constructor(options: LogReaderOptions) {
		this.#options = options;
		const onEvict = (chunk: Chunk): void => {
			this.#memory.give(chunk.bytes);
			options.counters.add(batchesEvicted);
		};
		this.#recent = new RecentChunks(options.cacheBytesMax / 2, onEvict);
		this.#chunks = new RecentMap({
			bytesMax: options.cacheBytesMax / 2,
			bytesOf: (_key, chunk) => cachedBytes(chunk),
			onForgotten: (_key, chunk) => onEvict(chunk),
		});
	}

	/**
	 * The next batch that holds records with a seq above `cursor`: take them from `batch.indexAfter(cursor)` on. Null where
	 * nothing is published behind the cursor yet. A `Gap` where the next records are gone: go on with `gap.nextSeq - 1`.
	 * What is read is valid until the next call.
	 *
	 * @throws Error where the log's files can't be read
	 */
	read(cursor: number): Batch | Gap | null {
		for (;;) {
			const found = this.poll(cursor);
			if (!(found instanceof ChunkPlace)) return found;
			this.#chunks.set(found.key, this.#read(found.segment, found.range.start, found.range));
		}
	}

	/** The same without a wait for the disk: where it would take one, the place of the chunk that has to be loaded first. */
	poll(cursor: number): Batch | Gap | ChunkPlace | null {
		let before = cursor;
		for (;;) {
			const state = this.#options.active.snapshot();
			if (state.activeFirstSeq === 0) return null;
			if (cursor + 1 < state.firstSeq) return new Gap(state.firstSeq);
			if (before >= state.lastSeq) {
				if (state.firstSeq !== this.#listedFirstSeq) this.closeRemoved();
				return null;
			}
			const recent = this.#recent.find(cursor);
			if (recent !== null) return recent;
			const place = this.#locate(state, before);
			if (place === null) continue;
			if (place instanceof Gap) return place;
			const chunk = this.#chunk(state, place, cursor);
			if (chunk instanceof ChunkPlace) return chunk;
			const part = partAfter(chunk, cursor);
			if (part !== null) return part;
			before = place.range.seqMax;
		}
	}

	/**
	 * Reads a chunk off this thread: then `poll` finds it in memory, for a while. To be called for a chunk once at a time, and
	 * only while its segment is held.
	 */
	async load(place: ChunkPlace): Promise<void> {
		const { segment, range } = place;
		const bytes = this.#memory.take(range.end - range.start);
		try {
			await segment.readInBackground(bytes, range.start);
		} catch (error) {
			this.#memory.give(bytes);
			throw error;
		}
		this.#chunks.set(place.key, this.#parse(segment, range.start, range, bytes));
	}

	/** Lets go of segments that retention has removed: the disk has their space back when nobody has them open any more. */
	closeRemoved(): void {
		const { firstSeq: oldestSeq } = this.#options.active.snapshot();
		for (const [firstSeq] of this.#open) if (firstSeq < oldestSeq) this.#close(firstSeq);
	}

	close(): void {
		for (const [firstSeq] of this.#open) this.#close(firstSeq);
	}

	/** Finds the chunk behind `cursor`. Null where the log changed meanwhile: look again. */
	#locate(state: ActiveSnapshot, cursor: number): ChunkPlace | Gap | null {
		this.#list(state);
		const seq = Math.max(cursor + 1, state.firstSeq);
		let at = this.#segments.findLastIndex((firstSeq) => firstSeq <= seq);
		for (let before: SegmentReader | null = null; ; at++) {
			const firstSeq = this.#segments[at];
			if (firstSeq === undefined) throw new Error(`the log has no segment for seq ${seq}`);
			const segment = this.#segment(firstSeq, state);
			if (segment === null) return null;
			if (before !== null && cursor + 1 < firstSeq && isGapBetween(before, segment)) {
				if (before.footerIsRebuilt) this.#reportDamage(before.firstSeq, before.footer(firstSeq - 1).dataEnd);
				return new Gap(firstSeq);
			}
			const nextFirstSeq = this.#segments[at + 1] ?? Number.MAX_SAFE_INTEGER;
			const range = rangeOf(this.#options.active, state, segment, { seq, seqMax: nextFirstSeq - 1 });
			if (range === undefined) return null;
			if (range !== null && range.seqMax > cursor) return new ChunkPlace(segment, range);
			before = segment;
		}
	}

	/** What is in memory of a place, or in the page cache and ahead of all that was read; else the place itself. */
	#chunk(state: ActiveSnapshot, place: ChunkPlace, cursor: number): Chunk | ChunkPlace {
		const { segment, range } = place;
		const isHot = segment.firstSeq === state.activeFirstSeq && range.start >= state.endOffset - HOT_BYTES;
		if (isHot && range.seqMax > this.#recent.lastSeq) return this.#readRecent(segment, range, cursor);
		return this.#chunks.get(place.key) ?? place;
	}

	/** Reads a chunk as the continuation of the recent chunks where it is that, else as a new beginning of them. */
	#readRecent(segment: SegmentReader, range: ChunkRange, cursor: number): Chunk {
		const end = { firstSeq: segment.firstSeq, offset: range.end };
		if (cursor !== this.#recent.lastSeq) {
			const chunk = this.#read(segment, range.start, range);
			this.#recent.restart(chunk, cursor, range.seqMax, end);
			return chunk;
		}
		const { firstSeq, offset } = this.#recent.end;
		const start = firstSeq === segment.firstSeq ? Math.max(offset, range.start) : range.start;
		const chunk = this.#read(segment, start, range);
		this.#recent.append(chunk, range.seqMax, end);
		return chunk;
	}

	#read(segment: SegmentReader, start: number, range: ChunkRange): Chunk {
		const bytes = this.#memory.take(range.end - start);
		segment.read(bytes, start);
		return this.#parse(segment, start, range, bytes);
	}

	#parse(segment: SegmentReader, start: number, range: ChunkRange, bytes: Buffer): Chunk {
		const chunk = parseChunk(bytes, start, segment.epoch, range.seqMax);
		for (const offset of chunk.damage) this.#reportDamage(segment.firstSeq, offset);
		return chunk;
	}

	#reportDamage(firstSeq: number, offset: number): void {
		const key = `${firstSeq}:${offset}`;
		if (this.#damageKnown.has(key) || this.#damageKnown.size >= DAMAGE_KNOWN_MAX) return;
		this.#damageKnown.add(key);
		this.#options.counters.add(logGaps);
		log.error("segment {firstSeq} is damaged at byte {offset}: readers get a gap there", { firstSeq, offset });
	}

	#list(state: ActiveSnapshot): void {
		if (state.firstSeq === this.#listedFirstSeq && state.activeFirstSeq === this.#listedActiveFirstSeq) return;
		const { fs, directory } = this.#options;
		// A segment behind the active one is still being made.
		this.#segments = listSegments(fs, directory).filter(
			(firstSeq) => firstSeq >= state.firstSeq && firstSeq <= state.activeFirstSeq,
		);
		// While it was active it may have been replaced by another of its name.
		this.#close(this.#listedActiveFirstSeq);
		this.#listedFirstSeq = state.firstSeq;
		this.#listedActiveFirstSeq = state.activeFirstSeq;
		this.closeRemoved();
	}

	/** An open segment, or null where it was removed since the directory was listed. */
	#segment(firstSeq: number, state: ActiveSnapshot): SegmentReader | null {
		const open = this.#open.get(firstSeq);
		if (open !== undefined && (firstSeq !== state.activeFirstSeq || open.epoch === state.activeEpoch)) return open;
		this.#close(firstSeq);
		const segment = this.#openSegment(firstSeq);
		if (segment === null) return null;
		if (segment.header === null) this.#reportDamage(firstSeq, 0);
		this.#open.set(firstSeq, segment);
		return segment;
	}

	#openSegment(firstSeq: number): SegmentReader | null {
		try {
			return new SegmentReader(this.#options.fs, this.#options.directory, firstSeq);
		} catch (error) {
			// Retention publishes first: where it does not say so, the file is missing and not removed.
			if (isNotFound(error) && this.#options.active.snapshot().firstSeq > firstSeq) return null;
			throw error;
		}
	}

	#close(firstSeq: number): void {
		this.#open.get(firstSeq)?.close();
		this.#open.delete(firstSeq);
	}
}

/** Whether records between two segments that follow each other in the directory are gone, as far as can be told. */
function isGapBetween(before: SegmentReader, next: SegmentReader): boolean {
	if (before.header === null || before.footerIsRebuilt) return true;
	return next.header !== null && next.header.previousFirstSeq !== before.firstSeq;
}

/**
 * The chunk of a segment that would hold `seq`; null where it has none, undefined where `snapshot` is outdated. Records
 * with a seq above `seqMax` are the next segment's.
 */
function rangeOf(
	active: ActiveSegment,
	snapshot: ActiveSnapshot,
	segment: SegmentReader,
	{ seq, seqMax }: { seq: number; seqMax: number },
): ChunkRange | null | undefined {
	if (segment.firstSeq === snapshot.activeFirstSeq) return active.range(snapshot, seq);
	if (segment.header === null) return null;
	const { index, lastSeq, dataEnd } = segment.footer(seqMax);
	return index.range(seq, { start: SEGMENT_HEADER_BYTES, end: dataEnd, lastSeq });
}
