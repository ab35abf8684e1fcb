// log/local/read/: reading records after a cursor, through a cache. It never writes.

import type { Counters } from "../../../observe/counters.ts";
import { logOf } from "../../../observe/log.ts";
import { counter, gauge } from "../../../observe/metric.ts";
import { RecentMap } from "../../../runtime/recent-map.ts";
import type { BlockingReader, LogPlace } from "../../log.ts";
import { Batch, Gap } from "../../record/batch.ts";
import type { ActiveSegment, ActiveSnapshot } from "../active-segment.ts";
import type { LogFs } from "../log-fs.ts";
import { logGaps } from "../segment/damage.ts";
import { countBefore } from "../segment/place.ts";
import { listSegments, SEGMENT_HEADER_BYTES, type SegmentId } from "../segment/segment.ts";
import { type ChunkRange, findPlace, findRange } from "../segment/segment-index.ts";
import { SegmentReader, SegmentRemoved } from "../segment/segment-reader.ts";
import { BufferPool } from "./buffer-pool.ts";
import { type Chunk, parseChunk } from "./chunk.ts";
import { cachedBytes, partAfter, RecentChunks } from "./recent-chunks.ts";

const logCacheBytes = gauge(
	"log_cache_bytes",
	"bytes of the log that threads keep in memory for the next reader",
	"Compare it with `standpipe_log_cache_limit_bytes`. It is full while consumers replay.",
);
const logCacheLimit = gauge(
	"log_cache_limit_bytes",
	"bytes of the log that threads may keep in memory, but for what they read at the moment",
	"Nothing to do: it is fixed, and here to compare with.",
);
const batchesEvicted = counter(
	"batches_evicted_total",
	"batches dropped from the readers' caches because these were full",
	"Nothing to do while consumers keep up. If it grows fast, many consumers read old parts of the log at once.",
);

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
/** Damaged places that are remembered, so that each is counted and reported once. Any more are neither. */
const DAMAGE_KNOWN_MAX = 1_024;
/** Places that are remembered at which lsns were left out. A crash makes one. */
const LEFT_OUT_KNOWN_MAX = 64;

/** Bytes at the log's end that are in the page cache, since they were written last: reading them takes no wait. */
const HOT_BYTES = 16 * 1024 * 1024;

/** Where a chunk is on the disk. */
export class ChunkPlace {
	readonly segment: SegmentReader;
	readonly range: ChunkRange;

	constructor(segment: SegmentReader, range: ChunkRange) {
		this.segment = segment;
		this.range = range;
	}

	/** No two chunks have the same key. */
	get key(): string {
		return `${this.segment.firstLsn}:${this.range.start}:${this.range.end}`;
	}
}

const log = logOf("log");

/**
 * Reads the log for any number of consumers on one thread. Consumers that are live and those that catch up make the same calls.
 * A chunk is read and checked once for all that want it.
 */
export class LogReader implements BlockingReader {
	readonly #options: LogReaderOptions;
	readonly #recent: RecentChunks;
	/** Chunks that consumers who catch up have read, by their place's key. */
	readonly #chunks: RecentMap<string, Chunk>;
	readonly #memory = new BufferPool();
	/** The chunk near the log's end in which a place was looked for last. Consumers that come back at the same time share it. */
	#end: { key: string; chunk: Chunk } | null = null;
	/** Open segments. */
	readonly #open = new RecentMap<number, SegmentReader>({
		entriesMax: SEGMENTS_OPEN_MAX,
		onForgotten: (_firstLsn, segment) => segment.close(),
	});
	readonly #isRetained = ({ firstLsn }: SegmentId): boolean => firstLsn >= this.#options.active.snapshot().firstLsn;
	readonly #damageKnown = new Set<string>();
	/**
	 * By a cursor after which lsns were left out: the lsn up to which its chunk has no record. Without this, that chunk would have
	 * to be in memory together with the next one, and there may be no room for both.
	 */
	readonly #leftOutAfter = new RecentMap<number, number>({ entriesMax: LEFT_OUT_KNOWN_MAX });
	/** The segments in the directory, as it was when the writer had published these numbers. */
	#segments: SegmentId[] = [];
	#listedFirstLsn = -1;
	#listedActiveFirstLsn = -1;

	constructor(options: LogReaderOptions) {
		this.#options = options;
		options.counters.set(logCacheLimit, options.cacheBytesMax);
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
	 * The next batch that holds records with an lsn above `cursor`: take them from `batch.indexAfter(cursor)` on. Null if
	 * nothing is published after the cursor yet. A `Gap` if the next records are gone: go on with `gap.lastLsn`.
	 * What is read is valid until the next call.
	 *
	 * @throws Error if the log's files can't be read
	 */
	read(cursor: number): Batch | Gap | null {
		for (;;) {
			const found = this.poll(cursor);
			if (!(found instanceof ChunkPlace)) return found;
			this.#loadNow(found);
		}
	}

	/** The same without a wait for the disk. If it would take one, the place of the chunk that has to be loaded first. */
	poll(cursor: number): Batch | Gap | ChunkPlace | null {
		for (;;) {
			try {
				return this.#poll(cursor);
			} catch (error) {
				passOver(error);
			}
		}
	}

	/** @throws SegmentRemoved if the log changed meanwhile: look again */
	#poll(cursor: number): Batch | Gap | ChunkPlace | null {
		let before = this.#leftOutAfter.get(cursor) ?? cursor;
		for (;;) {
			const state = this.#options.active.snapshot();
			if (state.activeFirstLsn === 0) return null;
			if (cursor + 1 < state.firstLsn) return new Gap(state.firstLsn);
			if (before >= state.lastLsn) {
				if (state.firstLsn !== this.#listedFirstLsn) this.closeRemoved();
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
			before = place.range.lsnMax;
			this.#leftOutAfter.set(cursor, before);
		}
	}

	/** @throws Error if the log's files can't be read */
	find(place: LogPlace): number {
		for (;;) {
			const found = this.pollPlace(place);
			if (!(found instanceof ChunkPlace)) return found;
			this.#loadNow(found);
		}
	}

	/** The same without a wait for a chunk, as `poll`. */
	pollPlace(place: LogPlace): number | ChunkPlace {
		for (;;) {
			try {
				return this.#pollPlace(place);
			} catch (error) {
				passOver(error);
			}
		}
	}

	/** @throws SegmentRemoved if the log changed meanwhile */
	#pollPlace(place: LogPlace): number | ChunkPlace {
		for (;;) {
			const state = this.#options.active.snapshot();
			if (state.activeFirstLsn === 0) return 0;
			// A cursor before all that is retained has lost messages: what it reads next is a gap, which says so.
			if ("seq" in place && place.seq + 1 < state.firstSeq) return 0;
			if ("seq" in place && place.seq >= state.lastSeq) return state.lastLsn;
			const at = this.#segmentOfPlace(state, place);
			if (at === null) continue;
			const segment = this.#openAt(at, state);
			if (segment === null) continue;
			const range = rangeOfPlace(this.#options.active, state, segment, place, this.#lsnMaxOf(at));
			if (range === undefined) continue;
			if (range === null) return segment.firstLsn - 1;
			const before = this.#lastBefore(state, new ChunkPlace(segment, range), place);
			// If what the chunk begins with is damaged, the reader is told of that first.
			return before ?? Math.max(segment.firstLsn - 1, range.lsnAfter);
		}
	}

	/** Lsn of the last record of a chunk that comes before `place`, null if none does; or the chunk's place if it is not in memory. */
	#lastBefore(state: ActiveSnapshot, at: ChunkPlace, place: LogPlace): number | ChunkPlace | null {
		const known = this.#chunks.get(at.key);
		if (known !== undefined) return lastBefore(known, place);
		if (!isHot(state, at)) return at;
		// The chunk at the log's end grows all the time: by the time it was loaded, it would be another one.
		if (this.#end?.key !== at.key) {
			const chunk = this.#read(at.segment, at.range.start, at.range);
			if (this.#end !== null) this.#memory.give(this.#end.chunk.bytes);
			this.#end = { key: at.key, chunk };
		}
		return lastBefore(this.#end.chunk, place);
	}

	/** Which segment has the last record that comes before `place`, or begins right after it. Null if the log changed meanwhile. */
	#segmentOfPlace(state: ActiveSnapshot, place: LogPlace): number | null {
		this.#list(state);
		const at = "seq" in place ? this.#lastFrom(place.seq + 1) : this.#lastBegunBefore(place.timeUs, state);
		if (at === null || at >= 0) return at;
		// All that is retained comes after the place, or the file that has it is gone.
		return this.#segments[0]?.firstLsn === state.firstLsn ? 0 : this.#isMissing(state.firstLsn);
	}

	/** The last segment that was begun when the next message had this seq or a lower one; -1 for none. */
	#lastFrom(seq: number): number {
		return this.#segments.findLastIndex(({ firstSeq }) => firstSeq <= seq);
	}

	/** The last segment that was begun before this time; -1 for none, null if the log changed meanwhile. */
	#lastBegunBefore(timeUs: number, state: ActiveSnapshot): number | null {
		let low = 0;
		let high = this.#segments.length;
		while (low < high) {
			const middle = (low + high) >>> 1;
			const createdUs = this.#createdUs(middle, state);
			if (createdUs === null) return null;
			if (createdUs < timeUs) low = middle + 1;
			else high = middle;
		}
		return low - 1;
	}

	/**
	 * When a segment was begun. If its header is damaged, when the next segment was whose header is not, so that no search leads
	 * past what is lost. Null if one was removed meanwhile.
	 */
	#createdUs(at: number, state: ActiveSnapshot): number | null {
		for (let i = at; i < this.#segments.length; i++) {
			const segment = this.#openAt(i, state);
			if (segment === null) return null;
			if (segment.header !== null) return segment.header.createdUs;
		}
		return Number.POSITIVE_INFINITY;
	}

	#openAt(at: number, state: ActiveSnapshot): SegmentReader | null {
		const id = this.#segments[at];
		if (id === undefined) return this.#isMissing(state.firstLsn);
		return this.#segment(id, state);
	}

	/** Reads a chunk into memory, if its segment is still retained. */
	#loadNow({ key, segment, range }: ChunkPlace): void {
		try {
			this.#chunks.set(key, this.#read(segment, range.start, range));
		} catch (error) {
			passOver(error);
		}
	}

	/**
	 * Reads a chunk off this thread: then `poll` finds it in memory, for a while, if its segment is still retained. Call this for
	 * a chunk only once at a time, and only while its segment is held.
	 */
	async load(place: ChunkPlace): Promise<void> {
		const { segment, range } = place;
		const bytes = this.#memory.take(range.end - range.start);
		try {
			await segment.readInBackground(bytes, range.start);
		} catch (error) {
			this.#memory.give(bytes);
			passOver(error);
			return;
		}
		this.#chunks.set(place.key, this.#parse(segment, range.start, range, bytes));
	}

	/** To be called now and then: closes segments that retention has removed, and brings the metric of the cache up to date. The disk gets their space back when nobody has them open any more. */
	closeRemoved(): void {
		this.#options.counters.set(logCacheBytes, this.#recent.bytes + this.#chunks.bytes);
		const { firstLsn: oldest } = this.#options.active.snapshot();
		for (const [firstLsn] of this.#open) if (firstLsn < oldest) this.#close(firstLsn);
	}

	close(): void {
		for (const [firstLsn] of this.#open) this.#close(firstLsn);
	}

	/** Finds the chunk after `cursor`. Null if the log changed meanwhile: look again. */
	#locate(state: ActiveSnapshot, cursor: number): ChunkPlace | Gap | null {
		this.#list(state);
		const lsn = Math.max(cursor + 1, state.firstLsn);
		let at = this.#segments.findLastIndex(({ firstLsn }) => firstLsn <= lsn);
		for (let before: SegmentReader | null = null; ; at++) {
			const id = this.#segments[at];
			if (id === undefined) return this.#isMissing(lsn);
			const { firstLsn } = id;
			const segment = this.#segment(id, state);
			if (before !== null && cursor + 1 < firstLsn && isGapBetween(before, segment)) {
				if (before.footerIsRebuilt) this.#reportDamage(before.firstLsn, before.footer(firstLsn - 1).dataEnd);
				return new Gap(firstLsn);
			}
			const range = rangeOf(this.#options.active, state, segment, { lsn, lsnMax: this.#lsnMaxOf(at) });
			if (range === undefined) return null;
			if (range !== null && range.lsnMax > cursor) return new ChunkPlace(segment, range);
			before = segment;
		}
	}

	/** Called if there is no file for an lsn. Null if its removal has been published since. @throws Error if it is retained */
	#isMissing(lsn: number): null {
		if (this.#options.active.snapshot().firstLsn > lsn) return null;
		throw new Error(`the log has no segment for lsn ${lsn}`);
	}

	/** Records with greater lsns are no part of this segment, but of the next one. */
	#lsnMaxOf(at: number): number {
		return (this.#segments[at + 1]?.firstLsn ?? Number.MAX_SAFE_INTEGER) - 1;
	}

	/** The chunk at a place, if it is in memory, or in the page cache and after all recent chunks; else the place itself. */
	#chunk(state: ActiveSnapshot, place: ChunkPlace, cursor: number): Chunk | ChunkPlace {
		const { segment, range } = place;
		if (isHot(state, place) && range.lsnMax > this.#recent.lastLsn) return this.#readRecent(segment, range, cursor);
		return this.#chunks.get(place.key) ?? place;
	}

	/** Reads a chunk and adds it to the recent ones if it continues them. Else they begin anew with it. */
	#readRecent(segment: SegmentReader, range: ChunkRange, cursor: number): Chunk {
		const end = { firstLsn: segment.firstLsn, offset: range.end };
		if (cursor !== this.#recent.lastLsn) {
			const chunk = this.#read(segment, range.start, range);
			this.#recent.restart(chunk, cursor, range.lsnMax, end);
			return chunk;
		}
		const { firstLsn, offset } = this.#recent.end;
		const start = firstLsn === segment.firstLsn ? Math.max(offset, range.start) : range.start;
		const chunk = this.#read(segment, start, range);
		this.#recent.append(chunk, range.lsnMax, end);
		return chunk;
	}

	#read(segment: SegmentReader, start: number, range: ChunkRange): Chunk {
		const bytes = this.#memory.take(range.end - start);
		segment.read(bytes, start);
		return this.#parse(segment, start, range, bytes);
	}

	#parse(segment: SegmentReader, start: number, range: ChunkRange, bytes: Buffer): Chunk {
		const chunk = parseChunk(bytes, start, segment.epoch, range.lsnMax);
		for (const offset of chunk.damage) this.#reportDamage(segment.firstLsn, offset);
		return chunk;
	}

	#reportDamage(firstLsn: number, offset: number): void {
		const key = `${firstLsn}:${offset}`;
		if (this.#damageKnown.has(key) || this.#damageKnown.size >= DAMAGE_KNOWN_MAX) return;
		this.#damageKnown.add(key);
		this.#options.counters.add(logGaps);
		log.error("segment {firstLsn} is damaged at byte {offset}: readers get a gap there", { firstLsn, offset });
	}

	#list(state: ActiveSnapshot): void {
		if (state.firstLsn === this.#listedFirstLsn && state.activeFirstLsn === this.#listedActiveFirstLsn) return;
		const { fs, directory } = this.#options;
		// A segment after the active one is still being made.
		this.#segments = listSegments(fs, directory).filter(
			({ firstLsn }) => firstLsn >= state.firstLsn && firstLsn <= state.activeFirstLsn,
		);
		// While it was active it may have been replaced by another of its name.
		this.#close(this.#listedActiveFirstLsn);
		this.#listedFirstLsn = state.firstLsn;
		this.#listedActiveFirstLsn = state.activeFirstLsn;
		this.closeRemoved();
	}

	/** @throws SegmentRemoved if it was removed since the directory was listed */
	#segment(id: SegmentId, state: ActiveSnapshot): SegmentReader {
		const { firstLsn } = id;
		const open = this.#open.get(firstLsn);
		if (open !== undefined && (firstLsn !== state.activeFirstLsn || open.epoch === state.activeEpoch)) return open;
		this.#close(firstLsn);
		const { fs, directory } = this.#options;
		const segment = new SegmentReader(fs, directory, id, this.#isRetained);
		if (segment.header === null) this.#reportDamage(firstLsn, 0);
		this.#open.set(firstLsn, segment);
		return segment;
	}

	#close(firstLsn: number): void {
		this.#open.get(firstLsn)?.close();
		this.#open.delete(firstLsn);
	}
}

/** Throws the error again, unless it says that a segment was removed meanwhile: then the log has to be looked at once more. */
function passOver(error: unknown): void {
	if (!(error instanceof SegmentRemoved)) throw error;
}

/** Whether a chunk was written so lately that it is in the page cache. */
function isHot(state: ActiveSnapshot, { segment, range }: ChunkPlace): boolean {
	return segment.firstLsn === state.activeFirstLsn && range.start >= state.endOffset - HOT_BYTES;
}

/** Whether records may be lost between two segments that follow each other in the directory. */
function isGapBetween(before: SegmentReader, next: SegmentReader): boolean {
	if (before.header === null || before.footerIsRebuilt) return true;
	return next.header !== null && next.header.previousFirstLsn !== before.firstLsn;
}

/**
 * The chunk of a segment that would hold `lsn`; null if it has none, undefined if `snapshot` is outdated. Records with an lsn
 * above `lsnMax` are the next segment's.
 */
function rangeOf(
	active: ActiveSegment,
	snapshot: ActiveSnapshot,
	segment: SegmentReader,
	{ lsn, lsnMax }: { lsn: number; lsnMax: number },
): ChunkRange | null | undefined {
	if (segment.firstLsn === snapshot.activeFirstLsn) return active.range(snapshot, lsn);
	if (segment.header === null) return null;
	const { index, lastLsn, dataEnd } = segment.footer(lsnMax);
	return findRange(index, index.length, lsn, { start: SEGMENT_HEADER_BYTES, end: dataEnd, lastLsn });
}

/** The same for the chunk with the last record before `place`; null if the segment has no record before it. */
function rangeOfPlace(
	active: ActiveSegment,
	snapshot: ActiveSnapshot,
	segment: SegmentReader,
	place: LogPlace,
	lsnMax: number,
): ChunkRange | null | undefined {
	if (segment.firstLsn === snapshot.activeFirstLsn) return active.rangeOfPlace(snapshot, place);
	if (segment.header === null) return null;
	const { index, lastLsn, dataEnd } = segment.footer(lsnMax);
	return findPlace(index, index.length, place, { start: SEGMENT_HEADER_BYTES, end: dataEnd, lastLsn });
}

/** Lsn of the last record of a chunk that comes before `place`; null if none does. */
function lastBefore(chunk: Chunk, place: LogPlace): number | null {
	let lsn: number | null = null;
	for (const part of chunk.parts) {
		if (!(part instanceof Batch)) continue;
		const records = { seqs: { at: (i: number) => part.seq(i) }, timesUs: { at: (i: number) => part.timeUs(i) } };
		const count = countBefore(records, part.count, place);
		if (count === 0) break;
		lsn = part.lsn(count - 1);
	}
	return lsn;
}
