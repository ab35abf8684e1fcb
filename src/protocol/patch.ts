import { encodeHead } from "./canonical.ts";
import { CborScanner, Major, MapKeys } from "./cbor.ts";

/** What becomes of a payload's fields, by name: the bytes of a new value, or null to remove the field. Names are ASCII. */
export type FieldChanges = ReadonlyMap<string, Uint8Array | null>;

/** Where `seq` lies in a frame. */
export interface SeqRange {
	seqStart: number;
	seqEnd: number;
}

/**
 * Replaces, adds and removes fields of a frame's payload. All other bytes stay as they are, and so does the canonical order
 * of the fields: nothing that strangers sent is decoded and encoded again.
 *
 * @param frame one that was scanned before; so this can't fail on what is in it
 * @param seq where its `seq` lies, which must not be among the changes
 */
export function patchFields(frame: Uint8Array, seq: SeqRange, changes: FieldChanges): { frame: Uint8Array } & SeqRange {
	const scanner = new CborScanner(frame, 0, frame.length, "frame", "unchecked");
	scanner.skip();
	const payloadStart = scanner.offset;
	const pairs = scanner.readMap();
	const patch = new Patch(frame, scanner.offset, seq.seqStart);
	const pending = [...changes].sort(([a], [b]) => compareNames(a, b));
	const keys = new MapKeys(scanner);
	let count = pairs;
	for (let i = 0; i < pairs; i++) {
		const start = scanner.offset;
		keys.next();
		while (pending[0] !== undefined && keys.compareTo(pending[0][0]) > 0) count += patch.insert(start, pending.shift());
		scanner.skip(1);
		if (pending[0] === undefined || !keys.is(pending[0][0])) continue;
		patch.cut(start, scanner.offset);
		count += patch.insert(scanner.offset, pending.shift()) - 1;
	}
	for (const change of pending) count += patch.insert(scanner.offset, change);
	const head = encodeHead(Major.map, count);
	const body = patch.finish(frame.length);
	const seqStart = payloadStart + head.length + body.seqAt;
	return {
		frame: Buffer.concat([frame.subarray(0, payloadStart), head, ...body.chunks]),
		seqStart,
		seqEnd: seqStart + seq.seqEnd - seq.seqStart,
	};
}

/** Canonical order of map keys: the shorter first, then bytewise. */
function compareNames(a: string, b: string): number {
	return a.length - b.length || (a < b ? -1 : Number(a > b));
}

/** The payload's pairs, copied range by range. */
class Patch {
	readonly #frame: Uint8Array;
	readonly #seqStart: number;
	readonly #chunks: Uint8Array[] = [];
	/** Bytes in the chunks. */
	#length = 0;
	/** Everything before this offset of the frame was copied or cut out. */
	#copied: number;
	/** Offset of `seq` in the chunks. */
	#seqAt = 0;

	constructor(frame: Uint8Array, start: number, seqStart: number) {
		this.#frame = frame;
		this.#copied = start;
		this.#seqStart = seqStart;
	}

	/** Puts a pair before offset `at`, if the change has a value. Returns how many pairs that makes. */
	insert(at: number, change: [name: string, value: Uint8Array | null] | undefined): number {
		const [name, value] = change ?? ["", null];
		if (value === null) return 0;
		this.#copyTo(at);
		this.#add(encodeHead(Major.text, name.length));
		this.#add(Buffer.from(name, "latin1"));
		this.#add(value);
		return 1;
	}

	/** Leaves out what lies between two offsets. */
	cut(start: number, end: number): void {
		this.#copyTo(start);
		this.#copied = end;
	}

	finish(end: number): { chunks: readonly Uint8Array[]; seqAt: number } {
		this.#copyTo(end);
		return { chunks: this.#chunks, seqAt: this.#seqAt };
	}

	#copyTo(end: number): void {
		const start = this.#copied;
		if (start <= this.#seqStart && this.#seqStart < end) this.#seqAt = this.#length + this.#seqStart - start;
		this.#add(this.#frame.subarray(start, end));
		this.#copied = end;
	}

	#add(bytes: Uint8Array): void {
		this.#chunks.push(bytes);
		this.#length += bytes.length;
	}
}
