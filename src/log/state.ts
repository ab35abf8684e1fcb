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
 * What the log says that holds until a later record says otherwise: the last value of each key, and the cursors of hosts. It
 * is made from the log's control records alone, and restated as such, so that the log can forget the older ones. What a key
 * means is nothing to it: it keeps those of later releases too. To fold what it restates changes nothing.
 */
export class LogState {
	/** By kind and key: the record that told of it last. */
	readonly #values = new Map<number, Map<string, StateRecord>>();
	readonly #cursors = new Map<number, number | null>();

	/**
	 * Folds the log's next record, of any kind. Nothing of it is kept but a copy.
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

	/** Folds records that stand in `bytes`, one right after the other. */
	addAll(bytes: Buffer): void {
		for (let at = 0; at < bytes.length; at += recordLength(bytes, at)) this.addAt(bytes, at);
	}

	/** Folds the record that stands at `at`. Of a message, no more than its kind is looked at. */
	addAt(bytes: Buffer, at: number): void {
		const kind = recordKind(bytes, at);
		if (!isMessageKind(kind)) this.add({ kind, flags: recordFlags(bytes, at), facts: recordFacts(bytes, at) });
	}

	/** The records that say all of it: `restated`, and those of a host's cursor after the host's own. */
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
		// Without its host, nobody could do anything with a cursor.
		if (kind === CONTROL_CODES.host) this.#cursors.delete(hostOfKey(key));
	}
}

function cursorsRecord(facts: CursorsFacts): StateRecord {
	return { kind: CONTROL_CODES.cursors, flags: RecordFlag.restated, facts: encodeCursorsFacts(facts) };
}
