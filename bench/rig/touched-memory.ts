import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const CHUNK_BYTES = 64 * 1024 ** 2;
/** How much more is given back than was used. */
const AHEAD_BYTES = 256 * 1024 ** 2;

/**
 * Memory that a virtual machine has got from its host already, for the page cache of a run that writes gigabytes. Many hosts
 * give memory at the first touch of each page and take free memory back within seconds: without this a run measures mostly
 * that. The memory is held as the page cache of files, and given back little by little as the run goes on.
 */
export class TouchedMemory {
	readonly #dir = mkdtempSync(join(tmpdir(), "standpipe-bench-"));
	readonly #chunks: string[] = [];
	#freedBytes = 0;

	constructor(bytes: number) {
		const chunk = Buffer.alloc(CHUNK_BYTES, 1);
		for (let at = 0; at < bytes; at += CHUNK_BYTES) {
			const path = join(this.#dir, String(at));
			this.#chunks.push(path);
			// Flushed, so that the disk has nothing left to do for it when the run begins.
			writeFileSync(path, chunk, { flush: true });
		}
	}

	/** Frees what a run needs that has used so much. */
	keepAheadOf(usedBytes: number): void {
		while (this.#freedBytes < usedBytes + AHEAD_BYTES) {
			const path = this.#chunks.pop();
			if (path === undefined) return;
			rmSync(path);
			this.#freedBytes += CHUNK_BYTES;
		}
	}

	remove(): void {
		rmSync(this.#dir, { recursive: true });
	}
}
