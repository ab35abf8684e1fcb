import type { Counters } from "../observe/counters.ts";
import { logOf } from "../observe/log.ts";
import type { DiskFaultReason } from "./fault.ts";

/** How long a failed call is left alone before it is tried again. */
export const RETRY_MS = 1_000;
/** A descriptor is free again as soon as anybody closes one. */
export const TOO_MANY_FILES_RETRY_MS = 50;

/** What can be held up: names the metrics. */
export type StallPart = "log" | "index" | "index_reads";

const WORDS: Readonly<Record<StallPart, { log: string; cant: string; again: string }>> = {
	log: { log: "log", cant: "the log can't be written", again: "the log is written again" },
	index: { log: "index", cant: "the index can't be written", again: "the index is written again" },
	index_reads: { log: "index", cant: "the index can't be read", again: "the index is read again" },
};

/** `Reason` names what may be waited for: stable, since it stands in the health answer and in log lines. */
export interface StallOptions<Reason extends string = DiskFaultReason> {
	part: StallPart;
	counters: Counters;
	/** Why an error may be waited for; null if it is final. */
	reasonOf: (error: unknown) => Reason | null;
	/** Milliseconds of a clock that never steps. */
	clock: () => number;
	/** Told of the reason when a stall begins or its reason changes, and of null when it ends. */
	onChange: (reason: Reason | null) => void;
}

/** Whether a part is held up by what it is kept on, why, and when it may try again. */
export class Stall<Reason extends string = DiskFaultReason> {
	readonly #options: StallOptions<Reason>;
	#reason: Reason | null = null;
	#beganAtMs = 0;
	#triedAtMs = Number.NEGATIVE_INFINITY;

	constructor(options: StallOptions<Reason>) {
		this.#options = options;
	}

	/** Null where all is well. */
	get reason(): Reason | null {
		return this.#reason;
	}

	/**
	 * Does `work`, unless it failed a moment ago (`RETRY_MS`, `TOO_MANY_FILES_RETRY_MS`). Returns whether it was done: a fault that may pass is noted and told.
	 *
	 * @throws what else `work` throws
	 */
	attempt(work: () => void): boolean {
		if (this.#reason !== null && this.#options.clock() - this.#triedAtMs < retryMs(this.#reason)) return false;
		try {
			work();
		} catch (error) {
			this.note(error);
			return false;
		}
		this.end();
		return true;
	}

	/** Lets the next attempt come at once. */
	retryNow(): void {
		this.#triedAtMs = Number.NEGATIVE_INFINITY;
	}

	/**
	 * Notes that a try failed.
	 *
	 * @throws `error` if it is final
	 */
	note(error: unknown): void {
		const reason = this.#options.reasonOf(error);
		if (reason === null) throw error;
		const { part, counters, clock, onChange } = this.#options;
		this.#triedAtMs = clock();
		if (reason === this.#reason) return;
		if (this.#reason === null) {
			this.#beganAtMs = this.#triedAtMs;
			counters.add(`${part}_stalled`);
			counters.add(`${part}_stalls_total`);
			const line = "{what} ({reason}) and is tried again until it can: {detail}";
			const detail = error instanceof Error ? error.message : String(error);
			const log = logOf(WORDS[part].log);
			const what = WORDS[part].cant;
			// Strangers can take descriptors; what is wrong with a disk is the operator's.
			if (reason === "too-many-files") log.warning(line, { what, reason, detail });
			else log.error(line, { what, reason, detail });
		}
		this.#reason = reason;
		onChange(reason);
	}

	/** Notes that a try has succeeded. */
	end(): void {
		if (this.#reason === null) return;
		const { part, counters, clock, onChange } = this.#options;
		this.#reason = null;
		counters.add(`${part}_stalled`, -1);
		logOf(WORDS[part].log).warning("{what} after {stalledMs} ms", {
			what: WORDS[part].again,
			stalledMs: Math.round(clock() - this.#beganAtMs),
		});
		onChange(null);
	}
}

function retryMs(reason: string): number {
	return reason === "too-many-files" ? TOO_MANY_FILES_RETRY_MS : RETRY_MS;
}
