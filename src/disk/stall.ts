// disk/: which failures are the disk's, and how they are waited for. No file is opened here.

import type { Counters } from "../observe/counters.ts";
import { logOf } from "../observe/log.ts";
import { counter, gauge, type Metric } from "../observe/metric.ts";
import type { DiskFaultReason } from "./fault.ts";

/** Time from a failed try to the next one. */
export const RETRY_MS = 1_000;
/** The same for `too-many-files`. It is shorter, since a descriptor is free as soon as any other file is closed. */
export const TOO_MANY_FILES_RETRY_MS = 50;

/** The parts of the relay that can stall. */
export type StallPart = "log" | "index" | "index_reads";

interface Part {
	/** The log that the lines go to. */
	log: string;
	cant: string;
	again: string;
	stalled: Metric;
	stalls: Metric;
}

const PARTS: Readonly<Record<StallPart, Part>> = {
	log: {
		log: "log",
		cant: "the log can't be written",
		again: "the log is written again",
		stalled: gauge(
			"log_stalled",
			"1 while the log can't be written; `/_readyz` says why",
			"Free space on the log's disk, or mend it: hosts are paused until then, and nothing is lost.",
		),
		stalls: counter(
			"log_stalls_total",
			"times the log could not be written for a while, because the disk failed or was full",
			"If it grows, look at the disk's free space and at the kernel's log for errors of the disk.",
		),
	},
	index: {
		log: "index",
		cant: "the index can't be written",
		again: "the index is written again",
		stalled: gauge(
			"index_stalled",
			"1 while the index can't be written; `/_readyz` says why",
			"Mend the database or its disk: the log goes on, and the index catches up later.",
		),
		stalls: counter(
			"index_stalls_total",
			"times the index could not be written for a while",
			"If it grows, look at the database's load and space; `docs/operations.md` has each reason.",
		),
	},
	index_reads: {
		log: "index",
		cant: "the index can't be read",
		again: "the index is read again",
		stalled: gauge(
			"index_reads_stalled",
			"threads that wait because they can't read the index",
			"Mend the database: messages of accounts that are not in memory wait for it.",
		),
		stalls: counter(
			"index_reads_stalls_total",
			"times a thread could not read the index for a while, and waited",
			"If it grows, look at the database's load and connections.",
		),
	},
};

/** `Reason` names why a part waits. Its values are stable, since the health answer and log lines contain them. */
export interface StallOptions<Reason extends string = DiskFaultReason> {
	part: StallPart;
	counters: Counters;
	/** Why an error may be waited for; null if it is final. */
	reasonOf: (error: unknown) => Reason | null;
	/** Milliseconds of a clock that never steps. */
	clock: () => number;
	/** Called with the reason when a stall begins or its reason changes, and with null when it ends. */
	onChange: (reason: Reason | null) => void;
}

/** Whether a part has stalled, why, and when it may try again. */
export class Stall<Reason extends string = DiskFaultReason> {
	readonly #options: StallOptions<Reason>;
	#reason: Reason | null = null;
	#beganAtMs = 0;
	#triedAtMs = Number.NEGATIVE_INFINITY;

	constructor(options: StallOptions<Reason>) {
		this.#options = options;
	}

	/** Null if the part has not stalled. */
	get reason(): Reason | null {
		return this.#reason;
	}

	/**
	 * Does `work`, unless it failed a moment ago (`RETRY_MS`, `TOO_MANY_FILES_RETRY_MS`). Returns whether it was done. A fault
	 * that may pass is noted, not thrown.
	 *
	 * @throws what else `work` throws
	 */
	attempt(work: () => void): boolean {
		if (this.untilRetryMs > 0) return false;
		try {
			work();
		} catch (error) {
			this.note(error);
			return false;
		}
		this.end();
		return true;
	}

	/** Milliseconds until `attempt` may do its work again. */
	get untilRetryMs(): number {
		if (this.#reason === null) return 0;
		return Math.max(0, this.#triedAtMs + retryMs(this.#reason) - this.#options.clock());
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
			counters.add(PARTS[part].stalled);
			counters.add(PARTS[part].stalls);
			const line = "{what} ({reason}): {detail}; it is tried again until it succeeds";
			const detail = error instanceof Error ? error.message : String(error);
			const log = logOf(PARTS[part].log);
			const what = PARTS[part].cant;
			// Strangers can cause this one, and it passes. A fault of the disk needs the operator.
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
		counters.add(PARTS[part].stalled, -1);
		logOf(PARTS[part].log).warning("{what} after {stalledMs} ms", {
			what: PARTS[part].again,
			stalledMs: Math.round(clock() - this.#beganAtMs),
		});
		onChange(null);
	}
}

function retryMs(reason: string): number {
	return reason === "too-many-files" ? TOO_MANY_FILES_RETRY_MS : RETRY_MS;
}
