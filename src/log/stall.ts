import type { Counters } from "../observe/counters.ts";
import { logOf } from "../observe/log.ts";
import { type DiskFaultReason, diskFaultReason } from "./disk-fault.ts";

/** How long a failed call is left alone before it is tried again. */
export const RETRY_MS = 1_000;
/** A descriptor is free again as soon as anybody closes one. */
export const TOO_MANY_FILES_RETRY_MS = 50;

export interface StallOptions {
	/** What is held up: names the metrics and the log lines. */
	part: "log" | "index";
	counters: Counters;
	/** Milliseconds of a clock that never steps. */
	clock: () => number;
	/** Told of the reason when a stall begins or its reason changes, and of null when it ends. */
	onChange: (reason: DiskFaultReason | null) => void;
}

/** Whether a part can't write for now, why, and when it may try again. */
export class Stall {
	readonly #options: StallOptions;
	#reason: DiskFaultReason | null = null;
	#beganAtMs = 0;
	#triedAtMs = Number.NEGATIVE_INFINITY;

	constructor(options: StallOptions) {
		this.#options = options;
	}

	/** Null where all is well. */
	get reason(): DiskFaultReason | null {
		return this.#reason;
	}

	/**
	 * Does `work`, unless it failed a moment ago (`RETRY_MS`, `TOO_MANY_FILES_RETRY_MS`). Returns whether it was done: a disk's fault is noted and told.
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
	 * Notes that writing failed.
	 *
	 * @throws `error` where it is no disk's fault
	 */
	note(error: unknown): void {
		const reason = diskFaultReason(error);
		if (reason === null) throw error;
		const { part, counters, clock, onChange } = this.#options;
		this.#triedAtMs = clock();
		if (reason === this.#reason) return;
		if (this.#reason === null) {
			this.#beganAtMs = this.#triedAtMs;
			counters.add(`${part}_stalled`);
			counters.add(`${part}_stalls_total`);
			const line = "the {part} can't be written ({reason}) and is tried again until it can: {detail}";
			const detail = error instanceof Error ? error.message : String(error);
			// Strangers can take descriptors; what is wrong with a disk is the operator's.
			if (reason === "too-many-files") logOf(part).warning(line, { part, reason, detail });
			else logOf(part).error(line, { part, reason, detail });
		}
		this.#reason = reason;
		onChange(reason);
	}

	/** Notes that writing has worked. */
	end(): void {
		if (this.#reason === null) return;
		const { part, counters, clock, onChange } = this.#options;
		this.#reason = null;
		counters.add(`${part}_stalled`, -1);
		logOf(part).warning("the {part} is written again after {stalledMs} ms", {
			part,
			stalledMs: Math.round(clock() - this.#beganAtMs),
		});
		onChange(null);
	}
}

function retryMs(reason: DiskFaultReason): number {
	return reason === "too-many-files" ? TOO_MANY_FILES_RETRY_MS : RETRY_MS;
}
