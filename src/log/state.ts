import {
	CONTROL_CODES,
	CURSORS_PER_RECORD_MAX,
	type CursorsFacts,
	decodeCursorsFacts,
	encodeCursorsFacts,
	hostOfKey,
} from "./record/control.ts";
import { isMessageKind, RecordFlag, recordFacts, recordFlags, recordKind, recordLength } from "./record/record.ts";
import { decodeStateFacts } from "./record/state-facts.ts";
import type { StoredRecord } from "./record/stored-record.ts";

/** A control record without its place in the log. */
export type StateRecord = Pick<StoredRecord, "kind" | "flags" | "facts">;

/**
 * The log's state: what its control records say until a later one replaces it, which is the last value of each key of each
 * kind, and the last cursor of each host. New segments restate it as control records, so that the log can drop the older
 * ones. It does not depend on what a key means, so it keeps those of later releases too. Folding what it restates changes nothing.
 */
export class LogState {
	/** The last record of each key, by kind and key. */
	readonly #values = new Map<number, Map<string, StateRecord>>();
	readonly #cursors = new Map<number, number | null>();

	/**
	 * Folds the log's next record, of any kind. What is kept of it is copied.
	 *
	 * @throws RangeError for a record with the flag `state` whose facts are no state facts
	 */
	add(record: StateRecord): void {
		const { kind, flags, facts } = record;
		if (isMessageKind(kind)) return;
		if (kind === CONTROL_CODES.cursors) {
			for (const { host, seq } of decodeCursorsFacts(facts).cursors) this.#cursors.set(host, seq);
		} else if ((flags & RecordFlag.state) !== 0) this.#set(record);
	}

	/** Folds the records in `bytes`, which stand one right after the other. */
	addAll(bytes: Buffer): void {
		for (let at = 0; at < bytes.length; at += recordLength(bytes, at)) this.addAt(bytes, at);
	}

	/** Folds the record that stands at `at`. Of a message, it reads only the kind. */
	addAt(bytes: Buffer, at: number): void {
		const kind = recordKind(bytes, at);
		if (!isMessageKind(kind)) this.add({ kind, flags: recordFlags(bytes, at), facts: recordFacts(bytes, at) });
	}

	/** Records that say all of the state, with the flag `restated`: first the values, by kind, then the cursors. */
	*records(): Generator<StateRecord> {
		for (const kind of [...this.#values.keys()].sort((a, b) => a - b)) yield* this.#values.get(kind)?.values() ?? [];
		const cursors = Array.from(this.#cursors, ([host, seq]) => ({ host, seq })).sort((a, b) => a.host - b.host);
		for (let from = 0; from < cursors.length; from += CURSORS_PER_RECORD_MAX) {
			yield cursorsRecord({ cursors: cursors.slice(from, from + CURSORS_PER_RECORD_MAX) });
		}
	}

	#set({ kind, flags, facts }: StateRecord): void {
		const { key, value } = decodeStateFacts(facts);
		const name = Buffer.from(key).toString("latin1");
		if (value.length > 0) {
			const values = this.#values.get(kind) ?? new Map<string, StateRecord>();
			this.#values.set(kind, values);
			values.set(name, { kind, flags: flags | RecordFlag.restated, facts: new Uint8Array(facts) });
			return;
		}
		this.#values.get(kind)?.delete(name);
		// A cursor without its host is of no use.
		if (kind === CONTROL_CODES.host) this.#cursors.delete(hostOfKey(key));
	}
}

function cursorsRecord(facts: CursorsFacts): StateRecord {
	return { kind: CONTROL_CODES.cursors, flags: RecordFlag.restated, facts: encodeCursorsFacts(facts) };
}
