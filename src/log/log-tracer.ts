import { steadyMs } from "../runtime/steady-clock.ts";
import type { LoggedNote } from "../tracing/note.ts";
import type { Tracer } from "../tracing/tracer.ts";
import type { Entry } from "./record/entry.ts";

/** Traced messages that are not durable yet. Of further ones the log takes no notes. */
const PENDING_MAX = 10_000;

/** Takes notes of traced messages for the sequencer: when they are taken into a batch, published and durable. */
export class LogTracer {
	readonly #tracer: Pick<Tracer, "isSampled" | "note">;
	readonly #clock: () => number;
	/** By lsn, the least first. */
	readonly #pending: LoggedNote[] = [];
	/** How many of them, from the first on, are published. */
	#published = 0;

	/** @param clock as `steadyMs` */
	constructor(tracer: Pick<Tracer, "isSampled" | "note">, clock: () => number = steadyMs) {
		this.#tracer = tracer;
		this.#clock = clock;
	}

	/** Notes a message of a host that is taken into the batch, if it is traced. Returns whether it is. */
	take({ host, upstreamSeq }: Pick<Entry, "host" | "upstreamSeq">, lsn: number, seq: number): boolean {
		if (!this.#tracer.isSampled(host, upstreamSeq) || this.#pending.length >= PENDING_MAX) return false;
		const takenMs = this.#clock();
		this.#pending.push({ type: "logged", host, upstreamSeq, lsn, seq, takenMs, publishedMs: 0, durableMs: 0 });
		return true;
	}

	/** All that was taken is published. */
	published(publishedMs: number): void {
		for (; this.#published < this.#pending.length; this.#published++) {
			const note = this.#pending[this.#published];
			if (note !== undefined) note.publishedMs = publishedMs;
		}
	}

	/** What is published is durable up to this lsn. */
	durable(durableLsn: number): void {
		for (
			let [first] = this.#pending;
			first !== undefined && this.#isDurable(first, durableLsn);
			[first] = this.#pending
		) {
			this.#pending.shift();
			this.#published--;
			this.#tracer.note({ ...first, durableMs: this.#clock() });
		}
	}

	#isDurable({ lsn }: LoggedNote, durableLsn: number): boolean {
		return this.#published > 0 && lsn <= durableLsn;
	}
}
