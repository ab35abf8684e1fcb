import type { Batch, Gap } from "../../record/batch.ts";
import { firstAfter } from "../../record/first-after.ts";
import type { Chunk } from "./chunk.ts";

/** What a cached chunk takes in addition to its bytes, roughly. It matters if chunks hold only one record each. */
const CHUNK_OVERHEAD_BYTES = 512;

/** The bytes that a chunk takes in memory. */
export function cachedBytes(chunk: Chunk): number {
	return chunk.bytes.buffer.byteLength + CHUNK_OVERHEAD_BYTES;
}

/** The first batch or gap of a chunk that ends after `cursor`; null if there is none. */
export function partAfter(chunk: Chunk, cursor: number): Batch | Gap | null {
	return chunk.parts.find((part) => part.lastLsn > cursor) ?? null;
}

/** A place in the log's files: an offset in the segment that `firstLsn` names. */
export interface SegmentOffset {
	firstLsn: number;
	offset: number;
}

/**
 * The chunks at the end of the log, each right after the one before, as they were published and read. Live consumers, and
 * those that lag a little, find their next batch here. At the limit of bytes the oldest chunk is dropped.
 */
export class RecentChunks {
	readonly #bytesMax: number;
	readonly #onEvict: (chunk: Chunk) => void;
	readonly #chunks: { chunk: Chunk; lastLsn: number }[] = [];
	readonly #lastLsns = { at: (i: number): number | undefined => this.#chunks[i]?.lastLsn };
	#bytes = 0;
	/** The chunks hold all that is retained after this lsn, up to `lastLsn`. */
	#lsnAfter = -1;
	lastLsn = -1;
	/** Where the last chunk ends. */
	end: SegmentOffset = { firstLsn: 0, offset: 0 };

	/** The last chunk stays, however large it is. */
	constructor(bytesMax: number, onEvict: (chunk: Chunk) => void) {
		this.#bytesMax = bytesMax;
		this.#onEvict = onEvict;
	}

	get bytes(): number {
		return this.#bytes;
	}

	find(cursor: number): Batch | Gap | null {
		if (cursor < this.#lsnAfter || cursor >= this.lastLsn) return null;
		const found = this.#chunks[firstAfter(this.#lastLsns, this.#chunks.length, cursor)];
		return found === undefined ? null : partAfter(found.chunk, cursor);
	}

	/** Adds the chunk that comes right after the last one. */
	append(chunk: Chunk, lastLsn: number, end: SegmentOffset): void {
		this.#chunks.push({ chunk, lastLsn });
		this.#bytes += cachedBytes(chunk);
		this.lastLsn = lastLsn;
		this.end = end;
		while (this.#bytes > this.#bytesMax && this.#chunks.length > 1) this.#evict();
	}

	/** Begins anew with a later chunk, which holds all that is retained after `lsnAfter`, up to `lastLsn`. */
	restart(chunk: Chunk, lsnAfter: number, lastLsn: number, end: SegmentOffset): void {
		this.#chunks.length = 0;
		this.#bytes = 0;
		this.#lsnAfter = lsnAfter;
		this.append(chunk, lastLsn, end);
	}

	#evict(): void {
		const oldest = this.#chunks.shift();
		if (oldest === undefined) return;
		this.#bytes -= cachedBytes(oldest.chunk);
		this.#lsnAfter = oldest.lastLsn;
		this.#onEvict(oldest.chunk);
	}
}
