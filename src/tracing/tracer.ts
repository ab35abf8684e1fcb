import type { Counters } from "../observe/counters.ts";
import { counter } from "../observe/metric.ts";
import { createRingBuffer, RingWriter } from "../runtime/ring.ts";
import type { TraceContext } from "../runtime/worker-context.ts";
import { type Note, noteBytes, writeNote } from "./note.ts";
import { Sampler } from "./sampler.ts";

const traceNotesDropped = counter(
	"trace_notes_dropped_total",
	"notes of traced messages that a thread dropped, since the control thread had not taken the ones before",
	"If it grows, lower `OTEL_TRACES_SAMPLER_ARG`: traces lack spans, and no message is delayed.",
);

/** Of each thread's notes. The control thread takes them several times a second. */
const NOTES_BYTES = 256 * 1024;

/** Makes the memory of a thread's notes. */
export function createNotesBuffer(): SharedArrayBuffer {
	return createRingBuffer(NOTES_BYTES);
}

/** A thread's end of tracing: it tells which messages are traced, and takes notes of them. It never waits. */
export class Tracer {
	readonly #sampler: Sampler;
	readonly #notes: RingWriter;
	readonly #counters: Counters;

	constructor({ ratio, notes }: TraceContext, counters: Counters) {
		this.#sampler = new Sampler(ratio);
		this.#notes = new RingWriter(notes);
		this.#counters = counters;
	}

	isSampled(host: number, upstreamSeq: number): boolean {
		return this.#sampler.isSampled(host, upstreamSeq);
	}

	/** Takes a note of a traced message. If there is no room, the note is dropped and counted. */
	note(note: Note): void {
		const target = this.#notes.reserve(noteBytes(note));
		if (target === null) this.#counters.add(traceNotesDropped);
		else {
			writeNote(target, note);
			this.#notes.publish();
		}
	}
}

/** The tracer of a thread; null if messages are not traced. */
export function tracerOf(context: TraceContext | null | undefined, counters: Counters): Tracer | null {
	return context === null || context === undefined ? null : new Tracer(context, counters);
}
