import { isTooManyFiles } from "../../../descriptors/headroom.ts";
import { TOO_MANY_FILES_RETRY_MS } from "../../../disk/stall.ts";
import { logOf } from "../../../observe/log.ts";
import { LogLimiter } from "../../../runtime/log-limiter.ts";
import { Semaphore } from "../../../runtime/semaphore.ts";
import type { LogPlace, SharedReader } from "../../log.ts";
import { Batch, type Gap } from "../../record/batch.ts";
import { ChunkPlace, type LogReader } from "./reader.ts";

/** Chunks that are read at the same time. More would not be faster on an NVMe disk, and would delay the log's syncs. */
export const LOADS_MAX = 2;
/** Chunks that are read ahead of a consumer. Its turn is about 1 MiB, and the disk works during that turn. */
export const AHEAD_CHUNKS = 2;

/** A place that can't be read is reported at most once in this time, however many consumers read there. */
const REPORT_INTERVAL_MS = 60_000;
const REPORTED_PLACES_MAX = 256;

const log = logOf("log");

/**
 * Reads the log on a thread that must never wait for the disk, since it serves others meanwhile. Chunks that are not in memory
 * are read off this thread, once for all that wait for them. While fewer than `LOADS_MAX` chunks are being read, those after
 * what was read are loaded ahead.
 */
export class BackgroundReader implements SharedReader {
	readonly #reader: LogReader;
	readonly #slots = new Semaphore(LOADS_MAX);
	/** Chunks that are being read, or wait for a slot, by key. */
	readonly #loads = new Map<string, Promise<void>>();
	/** Lsns up to which consumers have read just now: they will want what comes next. */
	readonly #aheadOf = new Set<number>();
	readonly #reports = new LogLimiter({ intervalMs: REPORT_INTERVAL_MS, keysMax: REPORTED_PLACES_MAX });

	constructor(reader: LogReader) {
		this.#reader = reader;
	}

	/**
	 * As `LogReader.read`; but if the next records have to be read from the disk, a promise that resolves when they are there: then
	 * call again. If too many files are open to read on, such a promise resolves after a while. Any other failure makes the promise
	 * reject; this never throws. The caller may drop the promise.
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
			return this.#failure(error, text, "the log can't be searched for {place}: {error}", { place: text });
		}
	}

	closeRemoved(): void {
		this.#reader.closeRemoved();
	}

	close(): void {
		this.#reader.close();
	}

	/** What to answer after a failed read. */
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

	/** Loads ahead a moment later, since what was just read is valid only until the next call to the reader. */
	#lookAhead(lsn: number): void {
		if (this.#aheadOf.size === 0) queueMicrotask(() => this.#loadAhead());
		this.#aheadOf.add(lsn);
	}

	#loadAhead(): void {
		for (const lsn of this.#aheadOf) {
			try {
				this.#loadBehind(lsn);
			} catch {
				// A consumer that needs what could not be read tries again, and gets the failure.
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

/** The same promise. If nobody waits for it, its rejection is not reported as unhandled. */
function droppable(promise: Promise<void>): Promise<void> {
	promise.catch(() => {});
	return promise;
}
