import type { CorpusFrame } from "../../src/sim/corpus.ts";
import { encodeFrame, type SimMessage } from "../../src/sim/message.ts";

/** Length of a server's WebSocket header of a binary message of 126 to 65,535 bytes. */
export const WS_HEADER_BYTES = 4;
const TID_ALPHABET = "234567abcdefghijklmnopqrstuvwxyz";
/** From this number up to 2^32 a CBOR integer takes 5 bytes, so a seq can be replaced in place. */
const SEQ_MIN = 65_536;

/** Commits of each account in one block of restamped frames. */
const ROUNDS = 8;
/** Recorded frames that are written at once. */
const BLOCK_FRAMES = 16;

/** What a load host sends. */
export interface FrameSource {
	/** The next messages with their WebSocket headers, valid until the next call; null at the end. */
	next(): Buffer | null;
}

/** Unchanged frames, in blocks that are ready to be written. */
export class RecordedFrames implements FrameSource {
	readonly #blocks: Buffer[] = [];
	#at = 0;

	constructor(frames: readonly Uint8Array[]) {
		for (let at = 0; at < frames.length; at += BLOCK_FRAMES) {
			this.#blocks.push(Buffer.concat(frames.slice(at, at + BLOCK_FRAMES).map(withWsHeader)));
		}
	}

	next(): Buffer | null {
		return this.#blocks[this.#at++] ?? null;
	}
}

/** Offsets in the block of a frame with its WebSocket header, and of its changing fields. */
interface Places {
	start: number;
	end: number;
	seq: number;
	rev: number;
	since: number;
}

/**
 * The same few commits again and again, one of each account in turn, each time with the next seq and rev. It is an endless load
 * that costs almost nothing to make. The commits are valid but for their signatures.
 */
export class RestampedFrames implements FrameSource {
	readonly #accounts: number;
	readonly #block: Buffer;
	readonly #places: Places[] = [];
	#seq = SEQ_MIN;
	#rev: Buffer;
	#since: Buffer;
	/** The frame in the block that gets the next seq and rev. */
	#at = 0;

	/** @param frames one of each account; each is extended to `frameBytes` */
	constructor(frames: readonly CorpusFrame[], frameBytes: number) {
		this.#accounts = frames.length;
		this.#rev = Buffer.from(
			frames
				.map(({ message }) => message.rev ?? "")
				.sort()
				.at(-1) ?? "",
		);
		this.#since = this.#rev;
		const parts: Buffer[] = [];
		let at = 0;
		const messages = frames.map(({ message }) => message);
		for (const message of Array.from({ length: ROUNDS }, () => messages).flat()) {
			const frame = encodeToLength(message, frameBytes);
			const part = withWsHeader(frame);
			this.#places.push({
				start: at,
				end: at + part.length,
				seq: at + WS_HEADER_BYTES + placeOf(frame, "seq", 0x1a),
				rev: at + WS_HEADER_BYTES + placeOf(frame, "rev", 0x6d),
				since: at + WS_HEADER_BYTES + placeOf(frame, "since", 0x6d),
			});
			parts.push(part);
			at += part.length;
		}
		this.#block = Buffer.concat(parts);
	}

	next(): Buffer {
		for (const _ of this.#places) this.nextFrame();
		return this.#block;
	}

	/**
	 * The next message alone, with its WebSocket header. It stays valid until all frames of the block have been returned once
	 * more.
	 */
	nextFrame(): Buffer {
		const places = this.#places[this.#at];
		if (places === undefined) throw new RangeError("a load without frames");
		if (this.#at % this.#accounts === 0) {
			this.#since = this.#rev;
			this.#rev = nextTid(this.#since);
		}
		this.#at = (this.#at + 1) % this.#places.length;
		this.#block.writeUInt32BE(this.#seq++, places.seq);
		this.#block.set(this.#rev, places.rev);
		this.#block.set(this.#since, places.since);
		return this.#block.subarray(places.start, places.end);
	}
}

/** A frame of 126 to 65,535 bytes as the WebSocket message of a server. */
export function withWsHeader(frame: Uint8Array): Buffer {
	const bytes = Buffer.allocUnsafeSlow(WS_HEADER_BYTES + frame.length);
	bytes[0] = 0x82;
	bytes[1] = 126;
	bytes.writeUInt16BE(frame.length, 2);
	bytes.set(frame, WS_HEADER_BYTES);
	return bytes;
}

/** Encodes a message with an unknown field of such a length that the frame is `frameBytes` long. */
function encodeToLength(message: SimMessage, frameBytes: number): Uint8Array {
	const encode = (paddingBytes: number): Uint8Array =>
		encodeFrame({ ...message, body: { ...message.body, padding: "x".repeat(paddingBytes) } }, SEQ_MIN);
	const padded = encode(256);
	return encode(Math.max(256, 256 + frameBytes - padded.length));
}

/** Offset of the value of the payload's field `key`, after the value's CBOR head. */
function placeOf(frame: Uint8Array, key: string, head: number): number {
	const found = Buffer.from(frame).indexOf(Buffer.from([0x60 + key.length, ...Buffer.from(key), head]));
	if (found < 0) throw new Error(`a frame of the load has no ${key} as it should be`);
	return found + 1 + key.length + 1;
}

/** The TID a microsecond later. */
function nextTid(tid: Buffer): Buffer {
	const next = Buffer.from(tid);
	// The last two characters are the clock id.
	for (let i = next.length - 3; i >= 0; i--) {
		const digit = TID_ALPHABET.indexOf(String.fromCharCode(next[i] ?? 0));
		next[i] = TID_ALPHABET.charCodeAt((digit + 1) % TID_ALPHABET.length);
		if (digit + 1 < TID_ALPHABET.length) break;
	}
	return next;
}
