import { describe, expect, test } from "bun:test";
import { Rng } from "../../src/sim/rng.ts";
import { Assembly, LINGER_MS, TRACES_MAX, type Trace } from "../../src/tracing/assembly.ts";
import type { Note } from "../../src/tracing/note.ts";
import { anyMessage, deliveredNote, indexedNote, loggedNote, settledNote } from "./notes.ts";

/** A whole trace; or that of a message that was rejected. */
function anyTrace(rng: Rng, lsn: number, fanoutThreads: number, isRejected: boolean): Trace {
	const settled = settledNote(rng, anyMessage(rng), isRejected);
	if (isRejected) return { settled, logged: null, indexed: null, delivered: [] };
	const logged = loggedNote(rng, settled, lsn);
	const threads = Array.from({ length: fanoutThreads }, (_, thread) => thread);
	const delivered = threads.map((thread) => deliveredNote(rng, logged, thread));
	return { settled, logged, indexed: indexedNote(rng, logged), delivered };
}

function notesOf({ settled, logged, indexed, delivered }: Trace): Note[] {
	return [settled, logged, indexed, ...delivered].filter((note) => note !== null);
}

/** The same, whatever the order in which threads have delivered. */
function inOrder(trace: Trace): Trace {
	return { ...trace, delivered: [...trace.delivered].sort((a, b) => a.thread - b.thread) };
}

function byMessage(traces: readonly Trace[]): Trace[] {
	return traces
		.map(inOrder)
		.sort((a, b) => a.settled.host - b.settled.host || a.settled.upstreamSeq - b.settled.upstreamSeq);
}

test("notes of many messages, in any order, become each message's trace, once, with its last note", () => {
	for (let round = 0; round < 100; round++) {
		const rng = new Rng(`assembly ${round}`);
		const fanoutThreads = 1 + rng.int(3);
		const expected = Array.from({ length: 30 }, (_, at) => anyTrace(rng, 100 + at, fanoutThreads, rng.int(4) === 0));
		const notes = rng.shuffled(expected.flatMap(notesOf));
		const assembly = new Assembly(fanoutThreads);
		const traces: Trace[] = [];
		for (const note of notes) {
			const trace = assembly.add(note, rng.int(LINGER_MS));
			if (trace === "dropped") throw new Error("a note was dropped");
			if (trace !== null) traces.push(trace);
		}
		expect(byMessage(traces)).toEqual(byMessage(expected));
		expect(assembly.size).toBe(0);
		expect(assembly.sweep(Number.POSITIVE_INFINITY)).toEqual({ traces: [], unsettled: 0 });
	}
});

test("a seq that a host sends again, and that is logged again, leaves nothing", () => {
	const rng = new Rng("logged again");
	const assembly = new Assembly(2);
	const settled = settledNote(rng, anyMessage(rng), false);
	for (let lsn = 1; lsn <= 50; lsn++) assembly.add(loggedNote(rng, settled, lsn), 0);
	expect(assembly.logged).toBe(1);
	assembly.sweep(LINGER_MS);
	expect(assembly.logged).toBe(0);
});

describe("what is missing", () => {
	test("a trace ends after a while with what there is, if the thread of its DID has settled it, and else is left out", () => {
		for (let round = 0; round < 100; round++) {
			const rng = new Rng(`missing ${round}`);
			const whole = anyTrace(rng, 5, 2, false);
			const missing = rng.int(5);
			const notes = notesOf(whole).filter((_, at) => at !== missing);
			const assembly = new Assembly(2);
			for (const note of rng.shuffled(notes)) expect(assembly.add(note, 1_000)).toBeNull();
			expect(assembly.sweep(1_000 + LINGER_MS - 1)).toEqual({ traces: [], unsettled: 0 });
			const { traces, unsettled } = assembly.sweep(1_000 + LINGER_MS);
			expect(assembly.size).toBe(0);
			if (missing === 0) {
				expect([traces, unsettled]).toEqual([[], 1]);
				continue;
			}
			const left = {
				settled: whole.settled,
				logged: missing === 1 ? null : whole.logged,
				indexed: missing === 2 ? null : whole.indexed,
				// Without the log's note nobody knows whose delivery it was.
				delivered: missing === 1 ? [] : whole.delivered.filter((_, at) => at !== missing - 3),
			};
			expect(traces.map(inOrder)).toEqual([left]);
		}
	});

	test("at the end, all traces end", () => {
		const rng = new Rng("end");
		const assembly = new Assembly(1);
		const settled = settledNote(rng, anyMessage(rng), false);
		assembly.add(settled, 0);
		const rest = { logged: null, indexed: null, delivered: [] };
		expect(assembly.sweep(0, true)).toEqual({ traces: [{ settled, ...rest }], unsettled: 0 });
	});
});

test("no more messages than the limit are kept; notes of further ones are dropped, and there is room again later", () => {
	const rng = new Rng("limit");
	const assembly = new Assembly(1);
	for (let at = 0; at < TRACES_MAX; at++)
		expect(assembly.add(settledNote(rng, { host: 1, upstreamSeq: at }, false), 0)).toBeNull();
	expect(assembly.add(settledNote(rng, { host: 2, upstreamSeq: 1 }, false), 0)).toBe("dropped");
	for (let lsn = 0; lsn < TRACES_MAX; lsn++)
		expect(assembly.add({ type: "delivered", lsn, thread: 0, beganMs: 1, endedMs: 2 }, 0)).toBeNull();
	expect(assembly.add({ type: "delivered", lsn: TRACES_MAX, thread: 0, beganMs: 1, endedMs: 2 }, 0)).toBe("dropped");
	expect(assembly.size).toBe(TRACES_MAX);
	expect(assembly.sweep(LINGER_MS).traces.length).toBe(TRACES_MAX);
	expect(assembly.add(settledNote(rng, { host: 2, upstreamSeq: 1 }, false), LINGER_MS)).toBeNull();
	expect(assembly.add({ type: "delivered", lsn: 1, thread: 0, beganMs: 1, endedMs: 2 }, LINGER_MS)).toBeNull();
});
