import type { LogPlace, Position, PublishedSpan, RecordBatch, RecordGap, RecordReader } from "../../src/log/log.ts";
import { isMessageKind, RecordKind } from "../../src/log/record/record.ts";

const BATCH_RECORDS_MAX = 50;
/** Control records that the log had before its first message, so that a test fails if code takes an lsn for a seq. */
const LSNS_AHEAD = 1_000_000;

interface MemoryRecord {
	lsn: number;
	/** Lsn of the record that was appended before it. */
	lsnBefore: number;
	seq: number;
	kind: number;
	did: string;
	frame: Uint8Array<ArrayBuffer>;
}

/** A log in memory: the position and the reader of one thread. */
export class MemoryLog implements Position, RecordReader {
	readonly #records: MemoryRecord[] = [];
	#firstLsn = LSNS_AHEAD + 1;
	#lastLsn = LSNS_AHEAD;
	#lastRecordLsn = LSNS_AHEAD;
	#firstSeq = 1;
	#lastSeq = 0;
	#grown = Promise.withResolvers<void>();

	/** Appends a frame that starts with its seq, as 8 bytes. Returns its lsn. */
	appendFrame(length = 64, did = "did:plc:a", kind: number = RecordKind.commit): number {
		this.#lastSeq++;
		const frame = new Uint8Array(length);
		new DataView(frame.buffer).setBigUint64(0, BigInt(this.#lastSeq));
		return this.#append(kind, did, frame);
	}

	appendFrames(count: number, length = 64): void {
		for (let index = 0; index < count; index++) this.appendFrame(length);
	}

	/** Appends a record for the index only. Returns its lsn. */
	appendControl(): number {
		return this.#append(RecordKind.cursors, "", new Uint8Array(0));
	}

	/** Leaves out lsns and seqs, as a start after a crash does. */
	leaveOut(count: number): void {
		this.#lastLsn += count;
		this.#lastSeq += count;
	}

	/** Lsn of the message with this seq. */
	lsnOf(seq: number): number {
		const record = this.#records.find((each) => each.seq === seq && isMessageKind(each.kind));
		if (record === undefined) throw new RangeError(`no message has the seq ${seq}`);
		return record.lsn;
	}

	/** Seqs of the messages that the log holds. */
	seqs(): number[] {
		return this.#records.filter(({ kind }) => isMessageKind(kind)).map(({ seq }) => seq);
	}

	/** Seq of the last record up to this lsn. */
	seqAt(lsn: number): number {
		return this.#records.findLast((record) => record.lsn <= lsn)?.seq ?? this.#firstSeq - 1;
	}

	/** Removes the records before the message with this seq, as retention does. */
	retainFrom(seq: number): void {
		this.#firstLsn = this.lsnOf(seq);
		this.#firstSeq = seq;
		while (this.#records[0] !== undefined && this.#records[0].lsn < this.#firstLsn) this.#records.shift();
	}

	/** Loses the records from `firstLsn` to `lastLsn`, as damage does. */
	lose(firstLsn: number, lastLsn: number): void {
		const from = this.#records.findIndex(({ lsn }) => lsn >= firstLsn);
		const end = this.#records.findIndex(({ lsn }) => lsn > lastLsn);
		this.#records.splice(from, (end < 0 ? this.#records.length : end) - from);
	}

	snapshot(): PublishedSpan {
		return {
			firstSeq: this.#firstSeq,
			lastSeq: this.#lastSeq,
			seqUsedMax: this.#lastSeq,
			firstLsn: this.#firstLsn,
			lastLsn: this.#lastLsn,
		};
	}

	async wait(lsn: number, timeoutMs: number): Promise<void> {
		if (this.#lastLsn > lsn) return;
		const waits: Promise<void>[] = [this.#grown.promise];
		if (timeoutMs !== Number.POSITIVE_INFINITY) waits.push(Bun.sleep(timeoutMs));
		await Promise.race(waits);
	}

	wake(): void {
		this.#grown.resolve();
		this.#grown = Promise.withResolvers<void>();
	}

	find(place: LogPlace): number {
		if (!("seq" in place)) throw new RangeError("this log keeps no times");
		if (place.seq + 1 < this.#firstSeq) return 0;
		if (place.seq >= this.#lastSeq) return this.#lastLsn;
		return this.#records.findLast(({ seq }) => seq <= place.seq)?.lsn ?? this.#firstLsn - 1;
	}

	read(cursor: number): RecordBatch | RecordGap | null {
		const from = this.#records.findIndex(({ lsn }) => lsn > cursor);
		const first = this.#records[from];
		if (first === undefined) return null;
		if (first.lsnBefore > cursor) return { nextLsn: first.lsn, lastLsn: first.lsn - 1 };
		let to = from;
		// A batch ends at a hole, and begins before the cursor if it can, as a shared one does.
		do to++;
		while (to - from < BATCH_RECORDS_MAX && this.#records[to]?.lsnBefore === this.#records[to - 1]?.lsn);
		return new MemoryBatch(this.#records.slice(Math.max(0, from - 3), to));
	}

	#append(kind: number, did: string, frame: Uint8Array<ArrayBuffer>): number {
		const lsn = this.#lastLsn + 1;
		this.#records.push({ lsn, lsnBefore: this.#lastRecordLsn, seq: this.#lastSeq, kind, did, frame });
		this.#lastLsn = this.#lastRecordLsn = lsn;
		this.#grown.resolve();
		this.#grown = Promise.withResolvers();
		return this.#lastLsn;
	}
}

class MemoryBatch implements RecordBatch {
	readonly #records: MemoryRecord[];

	constructor(records: MemoryRecord[]) {
		this.#records = records;
	}

	get count(): number {
		return this.#records.length;
	}

	indexAfter(cursor: number): number {
		const index = this.#records.findIndex(({ lsn }) => lsn > cursor);
		return index === -1 ? this.count : index;
	}

	lsn(index: number): number {
		return this.#at(index).lsn;
	}

	seq(index: number): number {
		return this.#at(index).seq;
	}

	kind(index: number): number {
		return this.#at(index).kind;
	}

	did(index: number): string {
		return this.#at(index).did;
	}

	frame(index: number): Uint8Array<ArrayBuffer> {
		return this.#at(index).frame;
	}

	#at(index: number): MemoryRecord {
		const record = this.#records[index];
		if (record === undefined) throw new RangeError(`no record ${index} in this batch`);
		return record;
	}
}

/** The seq that `appendFrame` wrote into a frame. */
export function seqOf(frame: Uint8Array): number {
	return Number(new DataView(frame.buffer, frame.byteOffset).getBigUint64(0));
}

/** The integers from `first` to `last`. */
export function seqs(first: number, last: number): number[] {
	return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}
