import { writeSync } from "node:fs";

/** Lines are written together, in pieces of about this size. */
const PIECE_BYTES = 64 * 1024;
/** How long to wait for a reader that is slower than we are, before the next try. */
const FULL_PIPE_MS = 5;

/** Where a command writes its lines: a file, a terminal, or a pipe of which the other end may be slow or gone. */
export class LineOutput {
	readonly #write: (bytes: Buffer) => number;
	readonly #wait: (ms: number) => void;
	#gathered = "";
	#isGone = false;

	/**
	 * @param write as `writeSync`: writes some of the bytes and says how many
	 * @param wait lets time pass
	 */
	constructor(write = (bytes: Buffer) => writeSync(1, bytes), wait: (ms: number) => void = Bun.sleepSync) {
		this.#write = write;
		this.#wait = wait;
	}

	/** Adds a line. False once nobody reads any more. */
	line(text: string): boolean {
		this.#gathered += `${text}\n`;
		if (this.#gathered.length >= PIECE_BYTES) this.flush();
		return !this.#isGone;
	}

	/** Writes what is gathered. It waits for a reader that is slow; one that is gone gets no more, which is no error. */
	flush(): void {
		let left = Buffer.from(this.#gathered);
		this.#gathered = "";
		while (left.length > 0 && !this.#isGone) left = left.subarray(this.#writeSome(left));
	}

	#writeSome(bytes: Buffer): number {
		try {
			return this.#write(bytes);
		} catch (error) {
			const code = error instanceof Error && "code" in error ? error.code : null;
			if (code === "EPIPE") this.#isGone = true;
			else if (code === "EAGAIN") this.#wait(FULL_PIPE_MS);
			else throw error;
			return 0;
		}
	}
}
