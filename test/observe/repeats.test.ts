import { describe, expect, test } from "bun:test";
import type { LogLevel, LogRecord } from "@logtape/logtape";
import { REPEATS_MAX, REPEATS_WINDOW_MS, Repeats, SENTENCES_MAX } from "../../src/observe/repeats.ts";
import { Rng } from "../../src/sim/rng.ts";

/** A log whose time a test moves. */
class Bench {
	nowMs = 0;
	readonly written: LogRecord[] = [];
	readonly #timers: { atMs: number; callback: () => void }[] = [];
	readonly repeats = new Repeats({
		write: (record) => this.written.push(record),
		clock: () => this.nowMs,
		after: (ms, callback) => this.#timers.push({ atMs: this.nowMs + ms, callback }),
	});

	get timers(): number {
		return this.#timers.length;
	}

	pass(ms: number): void {
		const untilMs = this.nowMs + ms;
		for (;;) {
			const due = this.#timers.filter(({ atMs }) => atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)[0];
			if (due === undefined) break;
			this.#timers.splice(this.#timers.indexOf(due), 1);
			this.nowMs = due.atMs;
			due.callback();
		}
		this.nowMs = untilMs;
	}

	log(sentence: string, level: LogLevel = "info"): void {
		const [category, message] = [["standpipe", "test"], [sentence]];
		this.repeats.take({ category, level, rawMessage: sentence, message, properties: {}, timestamp: this.nowMs });
	}

	/** Lines of a sentence that were written, and how many were summed up. */
	of(sentence: string): { lines: number; omitted: number } {
		const lines = this.written.filter(({ rawMessage }) => rawMessage === sentence).length;
		const summaries = this.written.filter(({ properties }) => properties["sentence"] === sentence);
		return { lines, omitted: summaries.reduce((sum, { properties }) => sum + Number(properties["omitted"]), 0) };
	}
}

describe("lines with the same words", () => {
	test("are all written or counted, and no more than the limit in a window", () => {
		const rng = new Rng("repeats");
		for (let round = 0; round < 20; round++) {
			const bench = new Bench();
			const sent = new Map<string, number>();
			// With little time between lines, sentences are forgotten before their windows are over.
			const calm = rng.pick([50, 2_000]);
			const sentences = Array.from({ length: 1 + rng.int(2 * SENTENCES_MAX) }, (_, at) => `sentence ${at}`);
			for (let at = 0; at < 3_000; at++) {
				const sentence = rng.int(2) === 0 ? rng.pick(sentences) : (sentences[0] ?? "");
				if (!sent.has(sentence)) {
					bench.log(sentence);
					// The first one is always written.
					expect(bench.of(sentence).lines).toBe(1);
				} else bench.log(sentence);
				sent.set(sentence, (sent.get(sentence) ?? 0) + 1);
				expect(bench.timers).toBeLessThanOrEqual(1);
				if (rng.int(calm) === 0) bench.pass(rng.int(REPEATS_WINDOW_MS / 5));
			}
			bench.pass(2 * REPEATS_WINDOW_MS);
			for (const [sentence, count] of sent) {
				const { lines, omitted } = bench.of(sentence);
				expect(lines + omitted).toBe(count);
			}
		}
	});

	test("are limited for each window by itself, and summed up when it is over, also if no further line comes", () => {
		const bench = new Bench();
		for (let at = 0; at < 1_000; at++) bench.log("again");
		expect(bench.of("again")).toEqual({ lines: REPEATS_MAX, omitted: 0 });
		bench.pass(REPEATS_WINDOW_MS);
		expect(bench.of("again")).toEqual({ lines: REPEATS_MAX, omitted: 1_000 - REPEATS_MAX });
		expect(bench.written.at(-1)).toMatchObject({ level: "info", category: ["standpipe", "test"] });
		bench.log("again");
		expect(bench.of("again").lines).toBe(REPEATS_MAX + 1);
	});

	test("at another level are other lines, so an error is written although warnings were too many", () => {
		const bench = new Bench();
		for (let at = 0; at < 500; at++) bench.log("failed", "warning");
		bench.log("failed", "error");
		expect(bench.written.at(-1)?.level).toBe("error");
	});

	test("at level debug are all written", () => {
		const bench = new Bench();
		for (let at = 0; at < 1_000; at++) bench.log("rejected", "debug");
		expect(bench.written).toHaveLength(1_000);
	});
});
