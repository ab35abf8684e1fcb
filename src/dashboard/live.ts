import { contain } from "../runtime/boundary.ts";
import type { Timing } from "../runtime/timing.ts";
import type { Reading } from "./reading.ts";
import { COLUMNS, rowOf, type Sample, sampleBetween } from "./sample.ts";
import { type Level, type Status, statusOf } from "./status.ts";

/** How often the relay is measured for the dashboard. */
export const SAMPLE_INTERVAL_MS = 3_000;
/** A quarter of an hour, at some 250 bytes each. */
export const SAMPLES_MAX = 300;

/** How the relay is. */
export interface LiveStatus extends Status {
	/** Since when it has this level, in Unix ms. */
	sinceMs: number;
	atMs: number;
}

/** What is kept of a reading. */
interface Entry extends Pick<Reading, "atMs" | "hostsConnected" | "consumersTooSlow"> {
	/** The sample up to this reading, as JSON. */
	row: string;
}

/**
 * Measures the relay every `SAMPLE_INTERVAL_MS`, whoever looks, and keeps the last `SAMPLES_MAX` samples. So what it costs does not depend on
 * the number of pages that are open. Pages are told when the next sample is due, so that they all ask right after it: to wake this
 * thread for each of them would cost ten times what the answers cost.
 */
export class Live {
	readonly #read: () => Reading;
	readonly #timing: Timing;
	readonly #entries: Entry[] = [];
	readonly #startedAtMs: number;
	#last: Reading;
	#sample: Sample | null = null;
	#level: Level;
	#sinceMs: number;
	#statusJson: string | null = null;
	#samples = 0;
	/** By the timing's clock. */
	#measuredAtMs: number;
	#cancel: () => void = () => undefined;

	constructor(read: () => Reading, timing: Timing) {
		this.#read = read;
		this.#timing = timing;
		this.#last = read();
		this.#measuredAtMs = timing.nowMs();
		this.#startedAtMs = this.#sinceMs = this.#last.atMs;
		this.#level = this.#statusNow().level;
		this.#measureLater();
	}

	/** Measures no more. */
	stop(): void {
		this.#cancel();
	}

	#measureLater(): void {
		this.#cancel = this.#timing.after(SAMPLE_INTERVAL_MS, () => {
			contain("a measurement for the dashboard", () => this.measure());
			this.#measureLater();
		});
	}

	/** Takes a sample. */
	measure(): void {
		const reading = this.#read();
		this.#samples++;
		this.#measuredAtMs = this.#timing.nowMs();
		this.#sample = sampleBetween(this.#last, reading);
		this.#last = reading;
		this.#statusJson = null;
		const { atMs, hostsConnected, consumersTooSlow } = reading;
		this.#entries.push({ atMs, hostsConnected, consumersTooSlow, row: rowOf(this.#sample) });
		if (this.#entries.length > SAMPLES_MAX) this.#entries.shift();
		const { level } = this.#statusNow();
		if (level === this.#level) return;
		this.#level = level;
		this.#sinceMs = atMs;
	}

	/** How the relay was when it was last measured. */
	status(): LiveStatus {
		return { ...this.#statusNow(), sinceMs: this.#sinceMs, atMs: this.#last.atMs };
	}

	#statusNow(): Status {
		return statusOf(this.#last, this.#sample, {
			consumersTooSlow: (this.#entries[0] ?? this.#last).consumersTooSlow,
			hostsConnectedMax: this.#entries.reduce((most, { hostsConnected }) => Math.max(most, hostsConnected), 0),
			startedAtMs: this.#startedAtMs,
		});
	}

	/**
	 * As JSON: the status, the samples that were taken later than `sinceMs` (Unix ms), the number of the last sample, and in how many ms the
	 * next one is due.
	 */
	textSince(sinceMs: number): string {
		this.#statusJson ??= JSON.stringify(this.status());
		const rows = this.#entries.filter(({ atMs }) => atMs > sinceMs).map(({ row }) => row);
		const nextMs = Math.round(Math.max(this.#measuredAtMs + SAMPLE_INTERVAL_MS - this.#timing.nowMs(), 0));
		const times = `"sample":${this.#samples},"nextMs":${nextMs}`;
		return `{"status":${this.#statusJson},${times},"columns":${COLUMNS_JSON},"rows":[${rows.join(",")}]}`;
	}
}

const COLUMNS_JSON = JSON.stringify(COLUMNS);
