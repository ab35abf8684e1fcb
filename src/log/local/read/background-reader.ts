import { isTooManyFiles } from "../../../descriptors/headroom.ts";
import { TOO_MANY_FILES_RETRY_MS } from "../../../disk/stall.ts";
import { logOf } from "../../../observe/log.ts";
import { LogLimiter } from "../../../runtime/log-limiter.ts";
import { Semaphore } from "../../../runtime/semaphore.ts";
import type { LogPlace, SharedReader } from "../../log.ts";
import { Batch, type Gap } from "../../record/batch.ts";
import { ChunkPlace, type LogReader } from "./reader.ts";

/** Chunks that are read at once. More would get nothing more out of an NVMe disk, and stand in the way of the log's syncs. */
export const LOADS_MAX = 2;
/** How far is looked ahead of who reads on: it has a turn of some 1 MiB, and the disk goes on meanwhile. */
export const AHEAD_CHUNKS = 2;

/** A place that can't be read is reported at most once in this time, however many consumers come to read there. */
const REPORT_INTERVAL_MS = 60_000;
const REPORTED_PLACES_MAX = 256;

const log = logOf("log");

/**
 * Reads the log on a thread that must never wait for the disk, since it serves others meanwhile: chunks that are not in memory
 * are read off this thread, once for all that wait for them. While the disk has nothing else to do, the chunks behind
 * what was read are loaded ahead.
 */
export class BackgroundReader implements SharedReader {
	readonly #reader: LogReader;
	readonly #slots = new Semaphore(LOADS_MAX);
	/** By chunk: those that are being read, or wait for a slot. */
	readonly #loads = new Map<string, Promise<void>>();
	/** Whoever read up to these lsns will want what comes after them. */
	readonly #aheadOf = new Set<number>();
	readonly #reports = new LogLimiter({ intervalMs: REPORT_INTERVAL_MS, keysMax: REPORTED_PLACES_MAX });

	constructor(reader: LogReader) {
		this.#reader = reader;
	}

	/**
	 * As `LogReader.read`; but if the next records are on the disk, a promise that resolves when another call is worth while.
	 * So it does if too many files are open to read on. It never throws: whatever else can't be read, for any reason, makes the promise reject. The caller may drop the promise.
	 */
	read(cursor: number): Batch | Gap | Promise<void> | null {
		try {
			const found = this.#reader.poll(cursor);
			if (found instanceof ChunkPlace) return this.#load(found);
			if (found instanceof Batch) this.#lookAhead(found.lastLsn);
			return found;
		} catch (error) {
			return this.#failure(error, `lsn ${cursor}`, "the log can't be read after lsn {cursor}: {error}", { cursor });
		}
	}

	/** As `LogReader.find`; but if a chunk has to be read for it, or it fails, a promise as from `read`. */
	find(place: LogPlace): number | Promise<void> {
		try {
			const found = this.#reader.pollPlace(place);
			return found instanceof ChunkPlace ? this.#load(found) : found;
		} catch (error) {
			const text = JSON.stringify(place);
			return this.#failure(error, text, "the log can't be read where {place} is: {error}", { place: text });
		}
	}

	closeRemoved(): void {
		this.#reader.closeRemoved();
	}

	close(): void {
		this.#reader.close();
	}

	/** What to answer if files can't be read. */
	#failure(error: unknown, place: string, message: string, properties: Record<string, unknown>): Promise<void> {
		if (isTooManyFiles(error)) return Bun.sleep(TOO_MANY_FILES_RETRY_MS);
		this.#report(place, message, { ...properties, error });
		return droppable(Promise.reject(error));
	}

	#load(place: ChunkPlace): Promise<void> {
		const { key, segment } = place;
		const known = this.#loads.get(key);
		if (known !== undefined) return known;
		const load = segment.hold(() => this.#slots.run(() => this.#loadNow(place))).finally(() => this.#loads.delete(key));
		this.#loads.set(key, load);
		return droppable(load);
	}

	async #loadNow(place: ChunkPlace): Promise<void> {
		try {
			await this.#reader.load(place);
		} catch (error) {
			const { segment, range, key } = place;
			const { firstLsn } = segment;
			this.#report(key, "segment {firstLsn} can't be read at byte {offset}: {error}", {
				firstLsn,
				offset: range.start,
				error,
			});
			throw error;
		}
	}

	#report(place: string, message: string, properties: Record<string, unknown>): void {
		const omitted = this.#reports.take(place);
		if (omitted !== null) log.error(message, { ...properties, omitted });
	}

	/** Not at once: what was just read is valid until the next call to the reader. */
	#lookAhead(lsn: number): void {
		if (this.#aheadOf.size === 0) queueMicrotask(() => this.#loadAhead());
		this.#aheadOf.add(lsn);
	}

	#loadAhead(): void {
		for (const lsn of this.#aheadOf) {
			try {
				this.#loadBehind(lsn);
			} catch {
				// Whoever comes to need what could not be read tries it again, and is told.
			}
		}
		this.#aheadOf.clear();
	}

	#loadBehind(lsn: number): void {
		let at = lsn;
		for (let chunks = 0; chunks < AHEAD_CHUNKS && this.#loads.size < LOADS_MAX; chunks++) {
			const next = this.#reader.poll(at);
			if (next === null) return;
			if (next instanceof ChunkPlace) void this.#load(next);
			at = next instanceof ChunkPlace ? next.range.lsnMax : next.lastLsn;
		}
	}
}

/** The same promise, whose rejection is nobody's fault if nobody waits for it. */
function droppable(promise: Promise<void>): Promise<void> {
	promise.catch(() => {});
	return promise;
}
