import { expect, test } from "bun:test";
import { LogTracer } from "../../src/log/log-tracer.ts";
import { Rng } from "../../src/sim/rng.ts";
import type { LoggedNote, Note } from "../../src/tracing/note.ts";

test("each traced message is noted once, when it is published and durable, with these times", () => {
	for (let round = 0; round < 50; round++) {
		const rng = new Rng(`log tracer ${round}`);
		const notes: Note[] = [];
		let nowMs = 0;
		const isSampled = (_host: number, upstreamSeq: number): boolean => upstreamSeq % 3 === 0;
		const tracer = new LogTracer({ isSampled, note: (note) => void notes.push(note) }, () => ++nowMs);
		/** What is taken and not published, and what is published and not durable. */
		let taken: LoggedNote[] = [];
		let published: LoggedNote[] = [];
		let lsn = 0;
		for (let step = 0; step < 300; step++) {
			const move = rng.int(4);
			if (move < 2) {
				const message = { host: rng.int(5), upstreamSeq: rng.int(1_000) };
				lsn += 1 + rng.int(3);
				const isTraced = tracer.take(message, lsn, lsn + 7);
				expect(isTraced).toBe(message.upstreamSeq % 3 === 0);
				const times = { takenMs: nowMs, publishedMs: 0, durableMs: 0 };
				if (isTraced) taken.push({ type: "logged", ...message, lsn, seq: lsn + 7, ...times });
			} else if (move === 2) {
				tracer.published(++nowMs);
				published.push(...taken.map((note) => ({ ...note, publishedMs: nowMs })));
				taken = [];
			} else {
				// It may be above what is published, as right after a segment has begun.
				const durableLsn = lsn - rng.int(6);
				const before = nowMs;
				const expected = published.filter((note) => note.lsn <= durableLsn);
				published = published.filter((note) => note.lsn > durableLsn);
				tracer.durable(durableLsn);
				const told = notes.splice(0);
				expect(told).toEqual(expected.map((note, at) => ({ ...note, durableMs: before + at + 1 })));
			}
		}
	}
});
