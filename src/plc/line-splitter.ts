import { LINE_BYTES_MAX, type LineText } from "./line.ts";

const NEWLINE = 0x0a;

/** Cuts a body into its lines, as it comes. Of a line that is too long only the beginning is kept. */
export class LineSplitter {
	/** The lines so far. Empty ones are left out. */
	readonly lines: LineText[] = [];
	/** Bytes of `lines`. */
	bytes = 0;
	readonly #parts: Uint8Array[] = [];
	#partBytes = 0;
	#isTooLong = false;

	/** @param chunk must not change later */
	push(chunk: Uint8Array): void {
		let start = 0;
		for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
			this.#add(chunk.subarray(start, end));
			this.end();
			start = end + 1;
		}
		this.#add(chunk.subarray(start));
	}

	/** The line ends here, as at the end of the body. */
	end(): void {
		if (this.#partBytes > 0) {
			this.lines.push({ text: Buffer.concat(this.#parts).toString("utf8"), isTooLong: this.#isTooLong });
			this.bytes += this.#partBytes;
		}
		this.#parts.length = 0;
		this.#partBytes = 0;
		this.#isTooLong = false;
	}

	#add(part: Uint8Array): void {
		const room = LINE_BYTES_MAX - this.#partBytes;
		if (part.length > room) this.#isTooLong = true;
		const kept = part.subarray(0, room);
		if (kept.length === 0) return;
		this.#parts.push(kept);
		this.#partBytes += kept.length;
	}
}
