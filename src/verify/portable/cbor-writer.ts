import { CID_TAG, Major, NULL } from "../../protocol/cbor.ts";
import { writeHead } from "../../protocol/cbor-head.ts";
import type { Link } from "./link.ts";

/** Length of a head whose argument has at most 32 bits. */
export const HEAD_BYTES_MAX = 5;
/** The bytes of a link besides its CID: tag, head, and the leading zero. */
export const LINK_OVERHEAD_BYTES_MAX = 2 + HEAD_BYTES_MAX + 1;

/** Writes DAG-CBOR into memory that the caller must have made large enough. */
export class CborWriter {
	readonly #bytes: Buffer;
	#offset = 0;

	constructor(bytes: Buffer) {
		this.#bytes = bytes;
	}

	/** What was written so far, as a view. */
	get written(): Uint8Array {
		return this.#bytes.subarray(0, this.#offset);
	}

	/** @param argument below 2^32 */
	head(major: number, argument: number): void {
		this.#offset = writeHead(this.#bytes, major, argument, this.#offset);
	}

	/** Writes a map key of one ASCII character. */
	name(character: string): void {
		this.head(Major.text, 1);
		this.#bytes[this.#offset++] = character.charCodeAt(0);
	}

	/** Writes a byte string. @param text one character per byte */
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
