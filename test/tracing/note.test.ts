import { expect, test } from "bun:test";
import { Counters } from "../../src/observe/counters.ts";
import { RingReader } from "../../src/runtime/ring.ts";
import { Rng } from "../../src/sim/rng.ts";
import { NOTE_BYTES_MAX, type Note, noteBytes, readNote, writeNote } from "../../src/tracing/note.ts";
import { createNotesBuffer, Tracer } from "../../src/tracing/tracer.ts";
import { counted } from "../observe/counted.ts";
import { anyMessage, deliveredNote, indexedNote, loggedNote, settledNote } from "./notes.ts";

/** All notes that may be taken of a message. */
function notesOf(rng: Rng): Note[] {
	const settled = settledNote(rng, anyMessage(rng), rng.int(2) === 0);
	const logged = loggedNote(rng, settled, rng.int(2 ** 53));
	return [settled, logged, indexedNote(rng, logged), deliveredNote(rng, logged, rng.int(64))];
}

test("a note is read as it was written", () => {
	const rng = new Rng("notes");
	for (let round = 0; round < 2_000; round++) {
		for (const note of notesOf(rng)) {
			const target = Buffer.alloc(noteBytes(note), rng.int(256));
			writeNote(target, note);
			expect(readNote(target)).toEqual(note);
		}
	}
});

test("texts of any length fit, and are cut", () => {
	const rng = new Rng("long texts");
	const long = "\u{10FFFF}€".repeat(1_000);
	const note = { ...settledNote(rng, anyMessage(rng), false), did: long, hostname: long };
	const target = Buffer.alloc(NOTE_BYTES_MAX);
	writeNote(target, note);
	const read = readNote(target);
	if (read.type !== "settled") throw new Error("the note is another one");
	expect(read.did.length).toBeGreaterThan(250);
	expect(long.startsWith(read.did)).toBe(true);
	expect(read.hostname).toBe(read.did);
});

test("a tracer drops and counts the notes that nobody has made room for, and goes on when there is room", () => {
	const rng = new Rng("no room");
	const counters = new Counters();
	const notes = createNotesBuffer();
	const tracer = new Tracer({ ratio: 1, notes }, counters);
	const reader = new RingReader(notes);
	const given: Note[] = [];
	while (counted(counters).of("trace_notes_dropped_total") < 3) {
		const note = settledNote(rng, anyMessage(rng), false);
		given.push(note);
		tracer.note(note);
	}
	const taken: Note[] = [];
	const takeAll = (): void => {
		for (let bytes = reader.next(); bytes !== null; bytes = reader.next()) taken.push(readNote(Buffer.from(bytes)));
		reader.release();
	};
	takeAll();
	expect(taken).toEqual(given.slice(0, -3));
	const [after] = notesOf(rng);
	if (after === undefined) throw new Error("no note");
	tracer.note(after);
	takeAll();
	expect(taken.at(-1)).toEqual(after);
});
