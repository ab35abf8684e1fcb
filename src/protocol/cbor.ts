import { isUtf8 } from "node:buffer";
import { isDataModelCid, isWholeCid } from "./cid.ts";
import {
	CBOR_CONTAINER_ITEMS_MAX,
	CBOR_DEPTH_MAX,
	CBOR_KEY_BYTES_MAX,
	CID_BYTES_MAX,
	FRAME_CONTAINER_ITEMS_MAX,
	INTEGER_MAX,
} from "./limits.ts";

/**
 * How strictly DAG-CBOR is checked. The scanner works with offsets: it checks bytes and finds values in them without decoding
 * them into objects (rulebook 2.13).
 *
 * `frame` is for header and payload, which every consumer has to decode. `canonical` is for the blocks that the protocol
 * itself defines: commits and MST nodes. `record` is for users' records, for which a relay must be lenient: unsorted keys,
 * heads longer than needed, floats and 64-bit integers pass. All three require definite lengths, string keys, no tag but 42,
 * UTF-8, and the limits.
 */
export type Strictness = "frame" | "canonical" | "record";

/**
 * Which CIDs a link may hold. `data-model`: only the forms that the data model allows. `whole`: one complete CID of any codec
 * and hash. `unchecked`: anything, for bytes whose links are checked elsewhere.
 */
export type LinkRule = "data-model" | "whole" | "unchecked";

const LINK_RULES = { frame: "data-model", canonical: "whole", record: "whole" } as const satisfies Record<
	Strictness,
	LinkRule
>;

/** The bytes are not valid DAG-CBOR, or not the kind of item that the caller expected. The message names the rule. */
export class CborError extends Error {
	override readonly name: string = "CborError";
}

/** The bytes in a link are not a CID that its `LinkRule` allows. */
export class LinkError extends CborError {
	override readonly name = "LinkError";
}

/** Major types of CBOR. */
export const Major = {
	unsigned: 0,
	negative: 1,
	bytes: 2,
	text: 3,
	array: 4,
	map: 5,
	tag: 6,
	simple: 7,
} as const;

const FALSE = 0xf4;
const TRUE = 0xf5;
export const NULL = 0xf6;
/** The only tag that DAG-CBOR allows: a link. */
export const CID_TAG = 42;

/** A scan over `bytes` from `offset` to `end`. Every read checks its bounds first and throws `CborError`. */
export class CborScanner {
	readonly bytes: Buffer;
	readonly end: number;
	/** Where the next read begins. */
	offset: number;
	/** Argument of the head that `readHead` read last: a value, a length or a count, depending on the major type. */
	argument = 0;
	readonly #canonical: boolean;
	readonly #links: LinkRule;
	readonly #itemsMax: number;

	constructor(
		bytes: Uint8Array,
		offset = 0,
		end = bytes.length,
		strictness: Strictness = "canonical",
		links: LinkRule = LINK_RULES[strictness],
	) {
		// Bytes from a socket are a Buffer already. Making a view of one costs more than reading a text from it.
		this.bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
		this.offset = offset;
		this.end = end;
		this.#canonical = strictness !== "record";
		this.#links = links;
		this.#itemsMax = strictness === "frame" ? FRAME_CONTAINER_ITEMS_MAX : CBOR_CONTAINER_ITEMS_MAX;
	}

	/** Reads an item's head, returns its major type and sets `argument`. For simple values the argument is the info bits. */
	readHead(): number {
		const initial = this.#byte();
		const major = initial >> 5;
		const info = initial & 31;
		if (major === Major.simple) this.#readSimple(info);
		else if (info < 24) this.argument = info;
		else this.#readArgument(info);
		return major;
	}

	/** Reads the head of a map and returns how many pairs it has. */
	readMap(): number {
		return this.#expect(Major.map, "a map", this.#itemsMax);
	}

	/** Reads the head of an array and returns how many items it has. */
	readArray(): number {
		return this.#expect(Major.array, "an array", this.#itemsMax);
	}

	/** Reads an integer from 0 to 2^53-1. */
	readUnsigned(): number {
		return this.#expect(Major.unsigned, "an unsigned integer", INTEGER_MAX);
	}

	/** Reads a text of up to `bytesMax` bytes. */
	readText(bytesMax: number): string {
		const length = this.#expect(Major.text, "a text", bytesMax);
		const start = this.#take(length);
		const encoding = this.#checkUtf8(start, this.offset) ? "latin1" : "utf8";
		return this.bytes.toString(encoding, start, this.offset);
	}

	/** Whether the next item is of this major type. */
	isAt(major: number): boolean {
		return this.offset < this.end && (this.bytes[this.offset] ?? 0) >> 5 === major;
	}

	/** Reads a byte string and returns where it starts; it ends at `offset`. */
	readBytes(bytesMax: number): number {
		return this.#take(this.#expect(Major.bytes, "a byte string", bytesMax));
	}

	readBoolean(): boolean {
		const byte = this.#byte();
		if (byte !== TRUE && byte !== FALSE) throw new CborError(`expected a boolean at byte ${this.offset - 1}`);
		return byte === TRUE;
	}

	/** Reads a null if there is one. */
	readNull(): boolean {
		if (this.offset >= this.end || this.bytes[this.offset] !== NULL) return false;
		this.offset++;
		return true;
	}

	/** Reads a link and returns a copy of its binary CID. A view would cost more, to make and to collect. */
	readCid(): Uint8Array {
		this.#expect(Major.tag, "a CID", CID_TAG);
		const start = this.#linkStart();
		const cid = new Uint8Array(this.offset - start);
		for (let i = 0; i < cid.length; i++) cid[i] = this.bytes[start + i] ?? 0;
		return cid;
	}

	/** Skips one whole item and checks it. `depth` is the number of containers around it. */
	skip(depth = 0): void {
		switch (this.readHead()) {
			case Major.unsigned:
			case Major.simple:
				return;
			case Major.negative:
				// The argument is one less than the magnitude.
				if (this.#canonical && this.argument >= INTEGER_MAX) throw new CborError("an integer below -(2^53-1)");
				return;
			case Major.bytes:
				this.#take(this.argument);
				return;
			case Major.text: {
				const start = this.#take(this.argument);
				this.#checkUtf8(start, this.offset);
				return;
			}
			case Major.array: {
				const count = this.#enter(depth, 1);
				for (let i = 0; i < count; i++) this.skip(depth + 1);
				return;
			}
			case Major.map: {
				const count = this.#enter(depth, 2);
				const keys = new MapKeys(this);
				for (let i = 0; i < count; i++) {
					keys.next();
					this.skip(depth + 1);
				}
				return;
			}
			default:
				this.#linkStart();
		}
	}

	/** @internal for `MapKeys`: reads a key's head, checks it, and returns where its bytes start. */
	readKey(): number {
		const length = this.#expect(Major.text, "a text as map key", CBOR_KEY_BYTES_MAX);
		const start = this.#take(length);
		this.#checkUtf8(start, this.offset);
		return start;
	}

	/** @internal for `MapKeys`. */
	get keysAreSorted(): boolean {
		return this.#canonical;
	}

	#byte(): number {
		if (this.offset >= this.end) throw new CborError(`truncated at byte ${this.offset}`);
		return this.bytes[this.offset++] ?? 0;
	}

	#take(length: number): number {
		const start = this.offset;
		if (length > this.end - start) throw new CborError(`a length of ${length} at byte ${start} exceeds the input`);
		this.offset = start + length;
		return start;
	}

	#readArgument(info: number): void {
		if (info > 27) throw new CborError(`indefinite or reserved length at byte ${this.offset - 1}`);
		const size = 1 << (info - 24);
		let value = 0;
		for (let i = 0; i < size; i++) value = value * 256 + this.#byte();
		this.argument = value;
		if (!this.#canonical) return;
		if (value > INTEGER_MAX) throw new CborError(`an integer beyond 2^53-1 before byte ${this.offset}`);
		const least = info === 24 ? 24 : 2 ** (4 * size);
		if (value < least) throw new CborError(`an argument not in its shortest form before byte ${this.offset}`);
	}

	#readSimple(info: number): void {
		this.argument = info;
		if (info >= 20 && info <= 22) return;
		if (this.#canonical || info < 25 || info > 27) {
			throw new CborError(`a float, indefinite length or unknown simple value at byte ${this.offset - 1}`);
		}
		this.#take(1 << (info - 24));
	}

	#expect(major: number, what: string, argumentMax: number): number {
		const at = this.offset;
		if (this.readHead() !== major) throw new CborError(`expected ${what} at byte ${at}`);
		if (this.argument > argumentMax) throw new CborError(`${what} at byte ${at} exceeds the limit of ${argumentMax}`);
		return this.argument;
	}

	#enter(depth: number, bytesPerItemMin: number): number {
		const count = this.argument;
		if (depth >= CBOR_DEPTH_MAX) throw new CborError(`more than ${CBOR_DEPTH_MAX} nested containers`);
		if (count > this.#itemsMax || count * bytesPerItemMin > this.end - this.offset) {
			throw new CborError(`a container of ${count} items at byte ${this.offset} exceeds the limit or the input`);
		}
		return count;
	}

	/** Checks a text. Returns whether it is ASCII, as nearly all texts are: those can be read several times as fast. */
	#checkUtf8(start: number, end: number): boolean {
		for (let at = start; at < end; at++) {
			if ((this.bytes[at] ?? 0) < 0x80) continue;
			if (!isUtf8(this.bytes.subarray(at, end))) throw new CborError(`a text at byte ${start} is not UTF-8`);
			return false;
		}
		return true;
	}

	/** Called after the head of a tag. Checks that it is a link, reads it, and returns where the CID starts. */
	#linkStart(): number {
		if (this.argument !== CID_TAG) throw new CborError(`tag ${this.argument} before byte ${this.offset} is not 42`);
		const start = this.readBytes(this.end);
		if (this.#links !== "unchecked") this.#checkLink(start);
		return start + 1;
	}

	/** Checks the byte string of a link, from `start` to `offset`. */
	#checkLink(start: number): void {
		const { bytes, offset } = this;
		if (offset - start > CID_BYTES_MAX + 1) throw new LinkError(`a CID at byte ${start} is too long`);
		if (bytes[start] !== 0) throw new LinkError(`a CID at byte ${start} lacks its 00 prefix`);
		const isCid = this.#links === "data-model" ? isDataModelCid : isWholeCid;
		if (!isCid(bytes, start + 1, offset)) throw new LinkError(`a CID at byte ${start} is malformed or of another form`);
	}
}

/** Reads the keys of one map. In canonical CBOR it checks that they are sorted (by length, then bytes) and unique. */
export class MapKeys {
	readonly #scanner: CborScanner;
	/** Byte range of the key that `next` read last. */
	start = 0;
	end = -1;

	constructor(scanner: CborScanner) {
		this.#scanner = scanner;
	}

	/** Reads the next key. The scanner is then at its value. */
	next(): void {
		const { start, end } = this;
		this.start = this.#scanner.readKey();
		this.end = this.#scanner.offset;
		if (
			end >= 0 &&
			this.#scanner.keysAreSorted &&
			compareKeys(this.#scanner.bytes, start, end, this.start, this.end) >= 0
		) {
			throw new CborError(`a map key at byte ${this.start} is out of order or repeated`);
		}
	}

	/** Whether the key is this ASCII text. */
	is(text: string): boolean {
		if (this.end - this.start !== text.length) return false;
		const { bytes } = this.#scanner;
		for (let i = 0; i < text.length; i++) if (bytes[this.start + i] !== text.charCodeAt(i)) return false;
		return true;
	}

	/** Negative if the key comes before this ASCII text in canonical order, 0 if it is the same, else positive. */
	compareTo(text: string): number {
		const length = this.end - this.start;
		if (length !== text.length) return length - text.length;
		const { bytes } = this.#scanner;
		for (let i = 0; i < length; i++) {
			const difference = (bytes[this.start + i] ?? 0) - text.charCodeAt(i);
			if (difference !== 0) return difference;
		}
		return 0;
	}

	/** Which of these ASCII texts the key is, or null if none. Does not make a string of the key. */
	oneOf<Text extends string>(texts: readonly Text[]): Text | null {
		for (const text of texts) if (this.is(text)) return text;
		return null;
	}

	toString(): string {
		return this.#scanner.bytes.toString("utf8", this.start, this.end);
	}
}

/** Order of map keys: the shorter first, then bytewise. */
export function compareKeys(bytes: Uint8Array, startA: number, endA: number, startB: number, endB: number): number {
	const length = endA - startA;
	if (length !== endB - startB) return length - (endB - startB);
	for (let i = 0; i < length; i++) {
		const difference = (bytes[startA + i] ?? 0) - (bytes[startB + i] ?? 0);
		if (difference !== 0) return difference;
	}
	return 0;
}

/** Checks one item from `offset` and returns the offset after it. Throws `CborError`. */
export function skipItem(
	bytes: Uint8Array,
	offset: number,
	end: number,
	strictness: Strictness = "canonical",
	links: LinkRule = LINK_RULES[strictness],
): number {
	const scanner = new CborScanner(bytes, offset, end, strictness, links);
	scanner.skip();
	return scanner.offset;
}
