import type { Batch, Gap } from "../../record/batch.ts";
import { firstAfter } from "../../record/first-after.ts";
import type { Stretch } from "./stretch.ts";

/** What a cached stretch takes besides its bytes, roughly: it matters where stretches hold a record each. */
const STRETCH_OVERHEAD_BYTES = 512;

/** The bytes that a stretch takes in memory. */
export function cachedBytes(stretch: Stretch): number {
	return stretch.bytes.buffer.byteLength + STRETCH_OVERHEAD_BYTES;
}

/** The first batch or gap of a stretch that reaches behind `cursor`. */
export function partAfter(stretch: Stretch, cursor: number): Batch | Gap | null {
	return stretch.parts.find((part) => part.lastSeq > cursor) ?? null;
}

/** A place in the log's files: an offset in the segment that `firstSeq` names. */
export interface Position {
	firstSeq: number;
	offset: number;
}

/**
 * The stretches at the head of the log, one right behind the other, as they were published and read. Live consumers, and
 * those that are a little behind, find their next batch here. The oldest stretch leaves when there are too many bytes.
 */
export class RecentStretches {
	readonly #bytesMax: number;
	readonly #onEvict: (stretch: Stretch) => void;
	readonly #stretches: { stretch: Stretch; lastSeq: number }[] = [];
	readonly #lastSeqs = { seq: (i: number): number => this.#stretches[i]?.lastSeq ?? 0 };
	#bytes = 0;
	/** The stretches hold all that is retained behind this seq, up to `lastSeq`. */
	#seqAfter = -1;
	lastSeq = -1;
	/** Where the last stretch ends. */
	end: Position = { firstSeq: 0, offset: 0 };

	/** The last stretch stays, however large it is. */
	constructor(bytesMax: number, onEvict: (stretch: Stretch) => void) {
		this.#bytesMax = bytesMax;
		this.#onEvict = onEvict;
	}

	find(cursor: number): Batch | Gap | null {
		if (cursor < this.#seqAfter || cursor >= this.lastSeq) return null;
		const found = this.#stretches[firstAfter(this.#lastSeqs, this.#stretches.length, cursor)];
		return found === undefined ? null : partAfter(found.stretch, cursor);
	}

	/** Adds the stretch right behind the last one. */
	append(stretch: Stretch, lastSeq: number, end: Position): void {
		this.#stretches.push({ stretch, lastSeq });
		this.#bytes += cachedBytes(stretch);
		this.lastSeq = lastSeq;
		this.end = end;
		while (this.#bytes > this.#bytesMax && this.#stretches.length > 1) this.#evict();
	}

	/** Begins again with a stretch further on, which holds all that is retained behind `seqAfter`, up to `lastSeq`. */
	restart(stretch: Stretch, seqAfter: number, lastSeq: number, end: Position): void {
		this.#stretches.length = 0;
		this.#bytes = 0;
		this.#seqAfter = seqAfter;
		this.append(stretch, lastSeq, end);
	}

	#evict(): void {
		const oldest = this.#stretches.shift();
		if (oldest === undefined) return;
		this.#bytes -= cachedBytes(oldest.stretch);
		this.#seqAfter = oldest.lastSeq;
		this.#onEvict(oldest.stretch);
	}
}
