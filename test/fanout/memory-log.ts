import type { LogSpan, Position, RecordBatch, RecordGap, RecordReader } from "../../src/log/log.ts";
import { RecordKind } from "../../src/log/record/record.ts";

const BATCH_RECORDS_MAX = 50;

interface MemoryRecord {
	seq: number;
	kind: number;
	did: string;
	frame: Uint8Array<ArrayBuffer>;
}

/** A log in memory: the position and the reader of one thread. */
export class MemoryLog implements Position, RecordReader {
	readonly #records: MemoryRecord[] = [];
	#firstSeq = 1;
	#lastSeq = 0;
	#grown = Promise.withResolvers<void>();

	/** Appends a frame that starts with its seq, as 8 bytes. */
	appendFrame(length = 64, did = "did:plc:a", kind: number = RecordKind.commit): number {
		const frame = new Uint8Array(length);
		new DataView(frame.buffer).setBigUint64(0, BigInt(this.#lastSeq + 1));
		return this.#append({ seq: this.#lastSeq + 1, kind, did, frame });
	}

	appendFrames(count: number, length = 64): void {
		for (let index = 0; index < count; index++) this.appendFrame(length);
	}

	appendControl(): number {
		return this.#append({ seq: this.#lastSeq + 1, kind: RecordKind.cursors, did: "", frame: new Uint8Array(0) });
	}

	/** Removes what is before `seq`, as retention does. */
	retainFrom(seq: number): void {
		while (this.#records[0] !== undefined && this.#records[0].seq < seq) this.#records.shift();
		this.#firstSeq = seq;
	}

	/** Loses the records from `first` to `last`, as damage does. */
	lose(first: number, last: number): void {
		const from = this.#records.findIndex(({ seq }) => seq >= first);
		this.#records.splice(from, last - first + 1);
	}

	snapshot(): LogSpan {
		return { firstSeq: this.#firstSeq, lastSeq: this.#lastSeq, seqUsedMax: this.#lastSeq };
	}

	async wait(seq: number, timeoutMs: number): Promise<void> {
		if (this.#lastSeq > seq) return;
		await Promise.race([this.#grown.promise, Bun.sleep(timeoutMs)]);
	}

	read(cursor: number): RecordBatch | RecordGap | null {
		const from = this.#records.findIndex(({ seq }) => seq > cursor);
		const first = this.#records[from];
		if (first === undefined) return null;
		if (first.seq !== cursor + 1) return { nextSeq: first.seq };
		let to = from;
		// A batch ends at a hole, and begins before the cursor where it can, as a shared one does.
		while (to - from < BATCH_RECORDS_MAX && this.#records[to]?.seq === first.seq + to - from) to++;
		return new MemoryBatch(this.#records.slice(Math.max(0, from - 3), to));
	}

	#append(record: MemoryRecord): number {
		this.#records.push(record);
		this.#lastSeq = record.seq;
		this.#grown.resolve();
		this.#grown = Promise.withResolvers();
		return record.seq;
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
		const index = this.#records.findIndex(({ seq }) => seq > cursor);
		return index === -1 ? this.count : index;
	}

	seq(index: number): number {
		return this.#at(index).seq;
	}

	kind(index: number): number {
		return this.#at(index).kind;
	}

	repoDid(index: number): string {
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
