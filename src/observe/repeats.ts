import type { LogRecord } from "@logtape/logtape";

/** Lines with the same words of the same part that are written in a window; further ones are counted. */
export const REPEATS_MAX = 100;
export const REPEATS_WINDOW_MS = 60_000;
/** Sentences that are remembered. They stand in the code, so there are few. */
export const SENTENCES_MAX = 256;

const SUMMARY = "{omitted} more lines were left out within {windowS} s: {sentence}";

interface Window {
	sinceMs: number;
	passed: number;
	omitted: number;
	/** The last line that was left out. */
	last: LogRecord;
}

export interface RepeatsOptions {
	/** Writes a line. */
	write: (record: LogRecord) => void;
	/** Monotonic milliseconds. */
	clock: () => number;
	/** Calls back once after some time; must not keep the process alive. */
	after: (ms: number, callback: () => void) => void;
}

/**
 * Keeps a log readable, and its disk free, when something fails all the time: of lines that differ in their values only, so many are
 * written in a window, and the others are summed up in one line. The first of a kind is always written, and so is each line of level `debug`, since who asks for
 * these wants all of them.
 */
export class Repeats {
	readonly #options: RepeatsOptions;
	/** By sentence, the one whose window began longest ago first. */
	readonly #windows = new Map<string, Window>();
	#isTimed = false;

	constructor(options: RepeatsOptions) {
		this.#options = options;
	}

	take(record: LogRecord): void {
		if (record.level === "debug") {
			this.#options.write(record);
			return;
		}
		const key = keyOf(record);
		const window = this.#windowOf(key, record);
		if (window.passed < REPEATS_MAX) {
			window.passed++;
			this.#options.write(record);
			return;
		}
		window.omitted++;
		window.last = record;
		this.#setTimer();
	}

	/** The window of a sentence: a new one if it has none, or if its last one is over. */
	#windowOf(key: string, record: LogRecord): Window {
		const nowMs = this.#options.clock();
		const known = this.#windows.get(key);
		if (known !== undefined && nowMs - known.sinceMs < REPEATS_WINDOW_MS) return known;
		if (known !== undefined) this.#end(key, known);
		const window: Window = { sinceMs: nowMs, passed: 0, omitted: 0, last: record };
		this.#windows.set(key, window);
		if (this.#windows.size > SENTENCES_MAX) {
			const [oldest] = this.#windows;
			if (oldest !== undefined) this.#end(...oldest);
		}
		return window;
	}

	/** Forgets a window, and writes how many lines it left out. */
	#end(key: string, { omitted, last }: Window): void {
		this.#windows.delete(key);
		if (omitted > 0) this.#options.write(summaryOf(last, omitted));
	}

	#setTimer(): void {
		if (this.#isTimed) return;
		this.#isTimed = true;
		this.#options.after(REPEATS_WINDOW_MS, () => {
			this.#isTimed = false;
			const nowMs = this.#options.clock();
			for (const [key, window] of this.#windows) {
				if (nowMs - window.sinceMs >= REPEATS_WINDOW_MS) this.#end(key, window);
				else if (window.omitted > 0) this.#setTimer();
			}
		});
	}
}

function summaryOf({ category, level, rawMessage, timestamp }: LogRecord, omitted: number): LogRecord {
	const sentence = sentenceOf(rawMessage);
	const windowS = REPEATS_WINDOW_MS / 1000;
	return {
		category,
		level,
		timestamp,
		rawMessage: SUMMARY,
		message: ["", omitted, " more lines were left out within ", windowS, " s: ", sentence, ""],
		properties: { omitted, windowS, sentence },
	};
}

function keyOf({ category, level, rawMessage }: LogRecord): string {
	return [level, ...category, sentenceOf(rawMessage)].join(" ");
}

/** What a line says apart from its values. */
function sentenceOf(rawMessage: LogRecord["rawMessage"]): string {
	return typeof rawMessage === "string" ? rawMessage : rawMessage.join("{}");
}
