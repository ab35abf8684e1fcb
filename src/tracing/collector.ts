import type { Counters } from "../observe/counters.ts";
import { counter } from "../observe/metric.ts";
import { contain } from "../runtime/boundary.ts";
import { RingReader } from "../runtime/ring.ts";
import { steadyMs } from "../runtime/steady-clock.ts";
import { Assembly, type Trace } from "./assembly.ts";
import type { SendSpans } from "./export.ts";
import { SpanExport } from "./export.ts";
import { readNote } from "./note.ts";
import { spansOf } from "./spans.ts";

const traceNotesUnused = counter(
	"trace_notes_unused_total",
	"notes of traced messages of which no trace was made: too many messages were traced at once, or their first note was missing",
	"A few are normal after a start, when the index catches up. If it grows, lower `OTEL_TRACES_SAMPLER_ARG`.",
);

/** How often the threads' notes are taken. */
const POLL_MS = 200;
/** How long a stop waits for the last spans to be sent. */
const STOP_MS_MAX = 2_000;

export interface CollectorOptions {
	/** The rings of the threads' notes. */
	notes: readonly SharedArrayBuffer[];
	fanoutThreads: number;
	send: SendSpans;
	counters: Counters;
	/** Different in each run, so that ids are. */
	salt: number;
}

/** Takes the notes of all threads, on the control thread, and has the spans sent. */
export class Collector {
	readonly #options: CollectorOptions;
	readonly #rings: readonly RingReader[];
	readonly #assembly: Assembly;
	readonly #export: SpanExport;
	readonly #timer: Timer;

	constructor(options: CollectorOptions) {
		this.#options = options;
		this.#rings = options.notes.map((buffer) => new RingReader(buffer));
		this.#assembly = new Assembly(options.fanoutThreads);
		this.#export = new SpanExport(options.send, options.counters);
		this.#timer = setInterval(() => contain("the collection of traces", () => this.#poll(false)), POLL_MS);
	}

	/** Sends what there is, for a while. To be called when the other threads have ended. */
	async stop(): Promise<void> {
		clearInterval(this.#timer);
		this.#poll(true);
		await Promise.race([this.#export.flush(), Bun.sleep(STOP_MS_MAX)]);
	}

	/** @param isLast nothing comes any more */
	#poll(isLast: boolean): void {
		const nowMs = performance.now();
		for (const ring of this.#rings) {
			for (let bytes = ring.next(); bytes !== null; bytes = ring.next()) {
				const trace = this.#assembly.add(readNote(bytes), nowMs);
				if (trace === "dropped") this.#options.counters.add(traceNotesUnused);
				else if (trace !== null) this.#finish(trace);
			}
			ring.release();
		}
		const { traces, unsettled } = this.#assembly.sweep(nowMs, isLast);
		for (const trace of traces) this.#finish(trace);
		this.#options.counters.add(traceNotesUnused, unsettled);
		this.#export.flushIfDue(nowMs);
	}

	#finish(trace: Trace): void {
		// The monotonic clock of weeks may be some seconds away from the wall clock.
		this.#export.add(spansOf(trace, this.#options.salt, Date.now() - steadyMs()));
	}
}
