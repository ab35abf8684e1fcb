import type { LastUsed, UsedNumbers } from "../last-used.ts";

/** `always`: a batch is durable before it is published. `write`: it is written, and durable a moment later. */
export type SyncMode = "always" | "write";

/** How far the bound is ahead of use in sync mode `write`, at least and at most. A power cut leaves out that many numbers. */
export const AHEAD_MIN = 64;
export const AHEAD_MAX = 100_000;

/** Where the log ends: its last numbers, and the place of its end. */
export interface LogEndPlace {
	lsn: number;
	seq: number;
	/** Of the segment with the end; 0 if there is none. */
	epoch: number;
	/** Offset in that segment. */
	end: number;
}

/**
 * Keeps the file `last-used` true: nothing is published whose numbers it does not cover.
 *
 * In sync mode `always`, all that is published is durable, so the records themselves say which numbers are in use. The file only
 * adds where they end, for a start after a `kill -9`. That needs no sync. In sync mode `write` a power cut may take published
 * records, so a bound ahead of their numbers has to be on the disk before.
 */
export class NumbersInUse {
	readonly #file: LastUsed;
	readonly #syncMode: SyncMode;
	/** In mode `write`: the bound that was written last, and the one that is surely on the disk. */
	#written = { lsnMax: 0, seqMax: 0 };
	#durable = { lsnMax: 0, seqMax: 0 };
	/** In mode `write`: the last lsn when the sync before the next one began, and how many came in the interval before that. */
	#syncedLsn = 0;
	#lastInterval = 0;

	constructor(file: LastUsed, syncMode: SyncMode) {
		this.#file = file;
		this.#syncMode = syncMode;
	}

	/** Called at the start, when nothing is published yet but what the start has found. Durable when this returns. */
	open(place: LogEndPlace): void {
		this.#file.write(exactly(place, false), true);
		this.#written = { lsnMax: place.lsn, seqMax: place.seq };
		this.#durable = this.#written;
		this.#syncedLsn = place.lsn;
	}

	/** Called before a batch is published, with its end; in mode `always` after its sync. */
	cover(place: LogEndPlace): void {
		if (this.#syncMode === "always") {
			this.#file.write(exactly(place, false), false);
			return;
		}
		if (place.lsn <= this.#durable.lsnMax && place.seq <= this.#durable.seqMax) return;
		const bound = this.#bound(place, this.#ahead(place.lsn));
		this.#file.write(bound, true);
		this.#durable = bound;
	}

	/**
	 * For mode `write`, when a sync of the records that end there begins: moves the bound ahead off this thread, if little of it
	 * is left, so that no batch has to wait for that.
	 */
	async keepAhead(place: LogEndPlace): Promise<void> {
		const ahead = this.#ahead(place.lsn);
		this.#lastInterval = place.lsn - this.#syncedLsn;
		this.#syncedLsn = place.lsn;
		if (this.#durable.lsnMax - place.lsn >= ahead / 2) return;
		const bound = this.#bound(place, ahead);
		await this.#file.writeInBackground(bound);
		// A batch may have had to move it further meanwhile.
		if (bound.lsnMax > this.#durable.lsnMax) this.#durable = bound;
	}

	/** Called at a clean stop, when all records are durable and nothing will be written any more. */
	settle(place: LogEndPlace): void {
		this.#file.write(exactly(place, true), true);
	}

	close(): void {
		this.#file.close();
	}

	/** About twice what comes until the next sync. */
	#ahead(lsn: number): number {
		const interval = Math.max(lsn - this.#syncedLsn, this.#lastInterval);
		return Math.min(Math.max(2 * interval, AHEAD_MIN), AHEAD_MAX);
	}

	/** Never less than one that was written before: what is written last holds, whichever is durable first. */
	#bound({ lsn, seq }: LogEndPlace, ahead: number): UsedNumbers {
		const lsnMax = Math.max(this.#written.lsnMax, lsn + ahead);
		const seqMax = Math.max(this.#written.seqMax, seq + ahead);
		this.#written = { lsnMax, seqMax };
		return { lsnMax, seqMax, epoch: 0, end: 0, isExact: false, isClean: false };
	}
}

function exactly({ lsn, seq, epoch, end }: LogEndPlace, isClean: boolean): UsedNumbers {
	return { lsnMax: lsn, seqMax: seq, epoch, end, isExact: true, isClean };
}
