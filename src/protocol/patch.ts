import { CborScanner, Major, MapKeys } from "./cbor.ts";
import { encodeHead } from "./cbor-head.ts";

/** Changes of a map's fields, by name: the encoded new value, or null to remove the field. Names are ASCII. */
export type FieldChanges = ReadonlyMap<string, Uint8Array | null>;

/** Where `seq` lies in a frame. */
export interface SeqRange {
	seqStart: number;
	seqEnd: number;
}

/**
 * Replaces, adds and removes fields of a frame's payload, and keeps their canonical order. All other bytes stay as they are:
 * nothing that a stranger sent is decoded and encoded again.
 *
 * @param frame must have been scanned before, so this can't fail on its contents
 * @param seq where the frame's `seq` lies; `seq` must not be among the changes
 */
export function patchFields(frame: Uint8Array, seq: SeqRange, changes: FieldChanges): { frame: Uint8Array } & SeqRange {
	const scanner = new CborScanner(frame, 0, frame.length, "frame", "unchecked");
	scanner.skip();
	const payloadStart = scanner.offset;
	const payload = patchMap(scanner, changes, seq.seqStart);
	const seqStart = payloadStart + payload.markAt;
	return {
		frame: Buffer.concat([frame.subarray(0, payloadStart), ...payload.chunks]),
		seqStart,
		seqEnd: seqStart + seq.seqEnd - seq.seqStart,
	};
}

/**
 * Removes a field from each map of an array in which it is null. All else stays as it is. The array is, for example, the ops of
 * a commit.
 *
 * @param start offset of the array in a frame that was scanned before
 * @returns the changed array
 */
export function withoutNulls(frame: Uint8Array, start: number, field: string): Uint8Array {
	const scanner = new CborScanner(frame, start, frame.length, "frame", "unchecked");
	const removal: FieldChanges = new Map([[field, null]]);
	const count = scanner.readArray();
	const chunks: Uint8Array[] = [encodeHead(Major.array, count)];
	for (let i = 0; i < count; i++) {
		const itemStart = scanner.offset;
		const isToChange = skipLookingForNull(scanner, field, 0);
		if (isToChange) {
			scanner.offset = itemStart;
			chunks.push(...patchMap(scanner, removal).chunks);
		} else chunks.push(frame.subarray(itemStart, scanner.offset));
	}
	return Buffer.concat(chunks);
}

/**
 * Skips an item and checks it. Returns whether it is a map in which this field is null.
 *
 * @param depth number of containers around the item
 */
export function skipLookingForNull(scanner: CborScanner, field: string, depth: number): boolean {
	if (!scanner.isAt(Major.map)) {
		scanner.skip(depth);
		return false;
	}
	let isNull = false;
	const pairs = scanner.readMap();
	const keys = new MapKeys(scanner);
	for (let i = 0; i < pairs; i++) {
		keys.next();
		if (keys.is(field) && scanner.readNull()) isNull = true;
		else scanner.skip(depth + 1);
	}
	return isNull;
}

/**
 * Changes the map that the scanner is at, and skips it.
 *
 * @param mark an offset in the scanner's bytes at which a value starts that is kept
 * @returns the changed map in pieces, and the offset of that value in it
 */
function patchMap(scanner: CborScanner, changes: FieldChanges, mark = -1): { chunks: Uint8Array[]; markAt: number } {
	const pairs = scanner.readMap();
	const patch = new Patch(scanner.bytes, scanner.offset, mark);
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
	const { chunks, markAt } = patch.finish(scanner.offset);
	return { chunks: [head, ...chunks], markAt: head.length + markAt };
}

/** Canonical order of map keys: the shorter first, then bytewise. */
function compareNames(a: string, b: string): number {
	return a.length - b.length || (a < b ? -1 : Number(a > b));
}

/** Builds the pairs of a changed map by copying ranges of the original. */
class Patch {
	readonly #bytes: Uint8Array;
	readonly #mark: number;
	readonly #chunks: Uint8Array[] = [];
	/** Total length of the chunks in bytes. */
	#length = 0;
	/** Everything before this offset has been copied or cut out. */
	#copied: number;
	/** Offset of the mark in the chunks. */
	#markAt = 0;

	constructor(bytes: Uint8Array, start: number, mark: number) {
		this.#bytes = bytes;
		this.#copied = start;
		this.#mark = mark;
	}

	/** Inserts a pair before offset `at` if the change has a value. Returns the number of pairs inserted: 0 or 1. */
	insert(at: number, change: [name: string, value: Uint8Array | null] | undefined): number {
		const [name, value] = change ?? ["", null];
		if (value === null) return 0;
		this.#copyTo(at);
		this.#add(encodeHead(Major.text, name.length));
		this.#add(Buffer.from(name, "latin1"));
		this.#add(value);
		return 1;
	}

	/** Leaves out the bytes between two offsets. */
	cut(start: number, end: number): void {
		this.#copyTo(start);
		this.#copied = end;
	}

	finish(end: number): { chunks: readonly Uint8Array[]; markAt: number } {
		this.#copyTo(end);
		return { chunks: this.#chunks, markAt: this.#markAt };
	}

	#copyTo(end: number): void {
		const start = this.#copied;
		if (start <= this.#mark && this.#mark < end) this.#markAt = this.#length + this.#mark - start;
		this.#add(this.#bytes.subarray(start, end));
		this.#copied = end;
	}

	#add(bytes: Uint8Array): void {
		this.#chunks.push(bytes);
		this.#length += bytes.length;
	}
}
