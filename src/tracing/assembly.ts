import type { DeliveredNote, IndexedNote, LoggedNote, Note, SettledNote } from "./note.ts";

/** All that was noted of a message. */
export interface Trace {
	settled: SettledNote;
	/** Null if it was rejected, or if the log took longer than a trace is waited for. */
	logged: LoggedNote | null;
	indexed: IndexedNote | null;
	/** One for each fan-out thread that has a live consumer. */
	delivered: readonly DeliveredNote[];
}

/** A trace is complete after this time, whatever is missing: without consumers, for example, nobody delivers. */
export const LINGER_MS = 10_000;
/** Messages of which notes are kept. Further ones are not traced. */
export const TRACES_MAX = 20_000;

/** What has come of a message so far. */
interface Gathered {
	settled: SettledNote | null;
	logged: LoggedNote | null;
	indexed: IndexedNote | null;
	delivered: DeliveredNote[];
	sinceMs: number;
}

/**
 * Puts the notes of different threads together, by the message that they are about. They may come in any order. The number of messages is
 * limited, and so is how long one is kept.
 */
export class Assembly {
	readonly #fanoutThreads: number;
	/** By host and seq there. The oldest is first. */
	readonly #parts = new Map<string, Gathered>();
	/** Deliveries of which the log has told nothing yet, by lsn. The oldest is first. */
	readonly #undelivered = new Map<number, { notes: DeliveredNote[]; sinceMs: number }>();
	/** The keys of messages by their lsns, for deliveries, which know nothing else. */
	readonly #keys = new Map<number, string>();

	/** @param fanoutThreads a trace is complete when each of them has delivered the message */
	constructor(fanoutThreads: number) {
		this.#fanoutThreads = fanoutThreads;
	}

	/** Messages of which the log has told, and which have not ended. */
	get logged(): number {
		return this.#keys.size;
	}

	/** Messages of which it keeps notes. */
	get size(): number {
		return this.#parts.size;
	}

	/**
	 * Takes a note. Returns the trace if it is complete now, and `dropped` if too many messages are kept.
	 *
	 * @param nowMs of a monotonic clock
	 */
	add(note: Note, nowMs: number): Trace | "dropped" | null {
		const key = note.type === "delivered" ? this.#keys.get(note.lsn) : keyOf(note);
		if (note.type === "delivered" && key === undefined) return this.#await(note, nowMs);
		if (key === undefined) return null;
		const part = this.#parts.get(key) ?? this.#begin(key, nowMs);
		if (part === null) return "dropped";
		if (note.type === "delivered") part.delivered.push(note);
		else if (note.type === "settled") part.settled = note;
		else if (note.type === "indexed") part.indexed = note;
		else this.#setLogged(key, part, note);
		return this.#isComplete(part) ? this.#end(key, part) : null;
	}

	/** Ends the traces that have been kept for long enough; or all, if nothing comes any more. Returns how many of them nobody has settled, too. */
	sweep(nowMs: number, all = false): { traces: Trace[]; unsettled: number } {
		const isDue = (sinceMs: number): boolean => all || nowMs - sinceMs >= LINGER_MS;
		const traces: Trace[] = [];
		let unsettled = 0;
		for (const [key, part] of this.#parts) {
			if (!isDue(part.sinceMs)) break;
			const trace = this.#end(key, part);
			if (trace === null) unsettled++;
			else traces.push(trace);
		}
		for (const [lsn, { sinceMs }] of this.#undelivered) {
			if (!isDue(sinceMs)) break;
			this.#undelivered.delete(lsn);
		}
		return { traces, unsettled };
	}

	#begin(key: string, nowMs: number): Gathered | null {
		if (this.#parts.size >= TRACES_MAX) return null;
		const part: Gathered = { settled: null, logged: null, indexed: null, delivered: [], sinceMs: nowMs };
		this.#parts.set(key, part);
		return part;
	}

	#await(note: DeliveredNote, nowMs: number): "dropped" | null {
		const waiting = this.#undelivered.get(note.lsn);
		if (waiting !== undefined) waiting.notes.push(note);
		else if (this.#undelivered.size >= TRACES_MAX) return "dropped";
		else this.#undelivered.set(note.lsn, { notes: [note], sinceMs: nowMs });
		return null;
	}

	#setLogged(key: string, part: Gathered, note: LoggedNote): void {
		// A host that connects again may send a seq again.
		if (part.logged !== null) this.#keys.delete(part.logged.lsn);
		part.logged = note;
		this.#keys.set(note.lsn, key);
		part.delivered.push(...(this.#undelivered.get(note.lsn)?.notes ?? []));
		this.#undelivered.delete(note.lsn);
	}

	#isComplete({ settled, logged, indexed, delivered }: Gathered): boolean {
		if (settled === null) return false;
		return settled.reason !== null || (logged !== null && indexed !== null && delivered.length >= this.#fanoutThreads);
	}

	/** Null if the note of the thread of the message's DID is missing. */
	#end(key: string, { settled, logged, indexed, delivered }: Gathered): Trace | null {
		this.#parts.delete(key);
		if (logged !== null) this.#keys.delete(logged.lsn);
		return settled === null ? null : { settled, logged, indexed, delivered };
	}
}

function keyOf({ host, upstreamSeq }: { host: number; upstreamSeq: number }): string {
	return `${host} ${upstreamSeq}`;
}
