import { writeSync } from "node:fs";

/** Lines are gathered and written in pieces of about this size. */
const PIECE_BYTES = 64 * 1024;
/** Pause before the next try if the pipe is full. */
const FULL_PIPE_MS = 5;
/** Tells a terminal to erase the line that the cursor is in, and to go on at its beginning. */
const ERASE_LINE = "\r\u001b[2K";

/** The output can't be written, for another reason than that nobody reads it any more. */
export class OutputFailed extends Error {
	override readonly name = "OutputFailed";

	/** @param error of the system */
	constructor(error: unknown) {
		super(`the output can't be written: ${error instanceof Error ? error.message : String(error)}`);
	}
}

/** Where a command's report goes. */
export interface ReportOutput {
	/** Writes a line at once. Returns false once nobody reads any more. */
	line(text: string): boolean;
	/** Shows a text that the next line or text replaces. */
	status(text: string): void;
	/** Whether texts can be replaced. */
	readonly isTerminal: boolean;
}

/** Writes a command's lines to a file, a terminal, or a pipe whose other end may be slow or closed. */
export class LineOutput {
	readonly #write: (bytes: Buffer) => number;
	readonly #wait: (ms: number) => void;
	#gathered = "";
	/** What erases the text that the next line replaces; empty if there is none. */
	#erasing = "";
	#isGone = false;

	/**
	 * @param write like `writeSync`: writes some of the bytes and returns how many
	 * @param wait lets time pass
	 */
	constructor(write = (bytes: Buffer) => writeSync(1, bytes), wait: (ms: number) => void = Bun.sleepSync) {
		this.#write = write;
		this.#wait = wait;
	}

	/** Adds a line. Returns false once the other end is closed. @throws OutputFailed */
	line(text: string): boolean {
		this.#gathered += `${this.#erasing}${text}\n`;
		this.#erasing = "";
		if (this.#gathered.length >= PIECE_BYTES) this.flush();
		return !this.#isGone;
	}

	/** Shows a text at once, on a terminal, until the next line or text takes its place. It must fit the terminal's width. */
	status(text: string): void {
		this.#gathered += `${this.#erasing}${text}`;
		this.#erasing = ERASE_LINE;
		this.flush();
	}

	/**
	 * Writes what is gathered. It waits for a slow reader. If the other end is closed, the rest is dropped, which is no error:
	 * then it returns false.
	 *
	 * @throws OutputFailed
	 */
	flush(): boolean {
		let left = Buffer.from(this.#gathered);
		this.#gathered = "";
		while (left.length > 0 && !this.#isGone) left = left.subarray(this.#writeSome(left));
		return !this.#isGone;
	}

	#writeSome(bytes: Buffer): number {
		try {
			return this.#write(bytes);
		} catch (error) {
			const code = error instanceof Error && "code" in error ? error.code : null;
			if (code === "EPIPE") this.#isGone = true;
			else if (code === "EAGAIN") this.#wait(FULL_PIPE_MS);
			else throw new OutputFailed(error);
			return 0;
		}
	}
}
