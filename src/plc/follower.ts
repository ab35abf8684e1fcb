import { backoffMs } from "../identity/outage.ts";
import { storeFaultReason } from "../index/store-fault.ts";
import type { Counters } from "../observe/counters.ts";
import { logOf } from "../observe/log.ts";
import { counter } from "../observe/metric.ts";
import { LogLimiter } from "../runtime/log-limiter.ts";
import { type Page, PageError } from "./export-page.ts";
import type { ExportStream, Taken } from "./export-stream.ts";
import { readLines } from "./fold.ts";
import type { Mirror } from "./mirror.ts";

const pages = counter(
	"plc_mirror_pages_total",
	"pages of the PLC directory's export that the mirror has read",
	"If it stops and `standpipe_plc_mirror_lag_seconds` rises, look in the log lines for the directory's answer.",
);
const failures = counter(
	"plc_mirror_failures_total",
	"times the mirror could not go on for a while: the directory or the mirror's database failed",
	"If it grows, look in the log lines: the directory is asked instead of the mirror meanwhile.",
);
const streams = counter(
	"plc_mirror_streams_total",
	"times the mirror connected to the PLC directory's stream",
	"If it grows fast, the directory's stream does not hold: look at your network.",
);

/** Time from one page to the next while there are more. The public directory allows no more requests than this over time. */
export const PAGE_INTERVAL_MS = 600;
/** Time between pages once all are read, if the directory has no stream. */
export const POLL_INTERVAL_MS = 5_000;
/** A directory that refused its stream is asked for it again after so long. */
export const STREAM_RETRY_MS = 10 * 60_000;
/** Lines of the stream are gathered for so long, since each batch is a transaction. */
export const GATHER_MS = 250;
/** If the directory has not known the mirror's last line for so long, the mirror reads the export from its beginning. */
export const UNKNOWN_PLACE_MS_MAX = 60 * 60_000;
/** A failing directory is logged at most this often. */
const FAILURE_LINE_INTERVAL_MS = 60_000;
/** The end of a stream whose seq the directory has not given out. */
const FUTURE_CURSOR = /FutureCursor/;

/** The directory's stream, as the follower uses it. */
export type Stream = Pick<ExportStream, "wasOpen" | "ended" | "isEmpty" | "take" | "close">;

/** The directory, as the follower uses it. */
export interface Directory {
	/** The lines after a seq or a time. Throws `PageError`. */
	page(after: string): Promise<Page>;
	/** @param onChange called when there is something to take, and when the stream has ended */
	stream(seq: number, onChange: () => void): Stream;
}

export interface FollowerOptions {
	mirror: Mirror;
	directory: Directory;
	counters: Counters;
	/** Milliseconds since 1970. */
	clock: () => number;
	sleep: (ms: number) => Promise<void>;
	/** Uniform in [0, 1). */
	random?: () => number;
}

/** Follows a directory: reads its export page by page to the end, then its stream if it has one, else a page from time to time. */
export class MirrorFollower {
	readonly #options: FollowerOptions;
	readonly #log = logOf("plc");
	readonly #failureLines: LogLimiter;
	readonly #stopped = Promise.withResolvers<void>();
	#isStopping = false;
	/** Whether the mirror's database has gone back. */
	#isBehind = false;
	/** In a row. */
	#failures = 0;
	#placeUnknownSinceMs: number | null = null;
	#wasComplete = false;
	#streamRefusedMs = Number.NEGATIVE_INFINITY;

	constructor(options: FollowerOptions) {
		this.#options = options;
		this.#failureLines = new LogLimiter({
			intervalMs: FAILURE_LINE_INTERVAL_MS,
			keysMax: 2,
			nowMs: options.clock,
		});
	}

	/** Follows until it is stopped. Rejects only if the mirror's database is broken, or by a fault of ours. */
	async run(): Promise<void> {
		while (!this.#isStopping) {
			try {
				if (this.#isBehind) await this.#options.mirror.reread();
				this.#isBehind = false;
				const isFull = await this.#readPage();
				this.#succeeded();
				if (isFull) await this.#wait(PAGE_INTERVAL_MS);
				else await this.#followEnd();
			} catch (error) {
				await this.#failed(error);
			}
		}
	}

	/** Ends `run` as soon as what is under way is done. */
	stop(): void {
		this.#isStopping = true;
		this.#stopped.resolve();
	}

	/** Reads the next page. Returns whether there are more. */
	async #readPage(): Promise<boolean> {
		const { mirror, directory, clock, counters } = this.#options;
		const { place } = mirror;
		const askedAtMs = clock();
		const { lines: texts, isFull } = await directory.page(place.request);
		counters.add(pages);
		const lines = readLines(texts);
		if (!place.isKnownBy(lines)) throw await this.#unknownPlace();
		this.#placeUnknownSinceMs = null;
		await mirror.apply(lines, isFull ? null : askedAtMs);
		if (isFull && mirror.place.after === place.after)
			throw new PageError("a whole page of its export says nothing new", null);
		if (!isFull && !this.#wasComplete) this.#log.info("the PLC mirror has read all of the directory's export");
		this.#wasComplete ||= !isFull;
		return isFull;
	}

	async #unknownPlace(): Promise<PageError> {
		const { mirror, clock } = this.#options;
		const nowMs = clock();
		this.#placeUnknownSinceMs ??= nowMs;
		if (nowMs - this.#placeUnknownSinceMs >= UNKNOWN_PLACE_MS_MAX) await this.#restart();
		return new PageError(`it does not know the line ${mirror.place.after} of its export any more`, null);
	}

	async #restart(): Promise<void> {
		this.#log.warning("the PLC mirror reads the directory's export from its beginning, since its last line is gone");
		this.#placeUnknownSinceMs = null;
		this.#wasComplete = false;
		await this.#options.mirror.restart();
	}

	/** All lines are read: waits for new ones. Returns when it is time for a page. */
	async #followEnd(): Promise<void> {
		const { mirror, clock } = this.#options;
		const { seq } = mirror.place;
		const mayStream = seq !== null && seq > 0 && clock() - this.#streamRefusedMs >= STREAM_RETRY_MS;
		if (mayStream) await this.#followStream(seq);
		await this.#wait(POLL_INTERVAL_MS);
	}

	/** Follows the stream to its end. A directory that does not give it is not asked for it for a while. */
	async #followStream(seq: number): Promise<void> {
		const { directory, clock, counters } = this.#options;
		let changed = Promise.withResolvers<void>();
		const stream = directory.stream(seq, () => changed.resolve());
		try {
			while (!this.#isStopping && (stream.ended === null || !stream.isEmpty)) {
				await Promise.race([changed.promise, this.#stopped.promise]);
				changed = Promise.withResolvers();
				if (stream.ended === null) await this.#wait(GATHER_MS);
				if (!stream.isEmpty) await this.#apply(stream.take());
			}
		} finally {
			stream.close();
		}
		if (stream.wasOpen) counters.add(streams);
		else this.#streamRefusedMs = clock();
		if (FUTURE_CURSOR.test(stream.ended ?? "")) await this.#restart();
		this.#log.debug("the stream of the PLC directory ended: {detail}", { detail: stream.ended ?? "" });
	}

	async #apply({ lines, completeMs }: Taken): Promise<void> {
		await this.#options.mirror.apply(readLines(lines), completeMs);
	}

	#succeeded(): void {
		if (this.#failures > 0 && this.#failureLines.take("end") !== null) this.#log.info("the PLC mirror goes on");
		this.#failures = 0;
	}

	/** Waits after a failure that may pass. */
	async #failed(error: unknown): Promise<void> {
		const reason = error instanceof PageError ? null : storeFaultReason(error);
		if (!(error instanceof PageError) && reason === null) throw error;
		this.#isBehind ||= reason === "database-behind";
		const { counters, random = Math.random } = this.#options;
		counters.add(failures);
		this.#failures++;
		const omitted = this.#failureLines.take("begin");
		if (omitted !== null)
			this.#log.warning("the PLC mirror can't go on, and tries again: {detail}", {
				detail: error instanceof Error ? error.message : String(error),
				...(omitted > 0 ? { omitted } : {}),
			});
		const askedMs = error instanceof PageError ? (error.retryAfterMs ?? 0) : 0;
		await this.#wait(Math.max(backoffMs(this.#failures, random()), askedMs));
	}

	async #wait(ms: number): Promise<void> {
		if (!this.#isStopping) await Promise.race([this.#options.sleep(ms), this.#stopped.promise]);
	}
}
