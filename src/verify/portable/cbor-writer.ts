import { CID_TAG, Major, NULL } from "../../protocol/cbor.ts";
import { writeHead } from "../../protocol/cbor-head.ts";
import type { Link } from "./link.ts";

/** A head for an argument of up to 32 bits. */
export const HEAD_BYTES_MAX = 5;
/** What a link adds to the bytes of its CID: tag, head, and the zero in front. */
export const LINK_OVERHEAD_BYTES_MAX = 2 + HEAD_BYTES_MAX + 1;

/** Writes DAG-CBOR into memory whose size the caller knows to be enough. */
export class CborWriter {
	readonly #bytes: Buffer;
	#offset = 0;

	constructor(bytes: Buffer) {
		this.#bytes = bytes;
	}

	/** What was written so far, a view. */
	get written(): Uint8Array {
		return this.#bytes.subarray(0, this.#offset);
	}

	/** @param argument below 2^32 */
	head(major: number, argument: number): void {
		this.#offset = writeHead(this.#bytes, major, argument, this.#offset);
	}

	/** A name of one ASCII character, as a map key. */
	name(character: string): void {
		this.head(Major.text, 1);
		this.#bytes[this.#offset++] = character.charCodeAt(0);
	}

	/** @param text one character per byte */
	bytes(text: string): void {
		this.head(Major.bytes, text.length);
		this.#latin1(text);
	}

	link(link: Link | null): void {
		if (link === null) {
			this.#bytes[this.#offset++] = NULL;
			return;
		}
		this.head(Major.tag, CID_TAG);
		this.head(Major.bytes, link.length + 1);
		this.#bytes[this.#offset++] = 0;
		this.#latin1(link);
	}

	#latin1(text: string): void {
		this.#offset += this.#bytes.write(text, this.#offset, "latin1");
	}
}
