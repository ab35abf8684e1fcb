import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const CHUNK_BYTES = 64 * 1024 ** 2;
/** How much more memory is freed than the run has used. */
const AHEAD_BYTES = 256 * 1024 ** 2;

/**
 * Memory that a virtual machine has already got from its host, for the page cache of a run that writes gigabytes. Many hosts
 * give memory only at the first touch of each page, and take free memory back within seconds; without this class a run would
 * measure mostly that. The memory is held as the page cache of files, and freed little by little during the run.
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
			// Flushed, so that the disk is idle when the run begins.
			writeFileSync(path, chunk, { flush: true });
		}
	}

	/** Frees memory for a run that has used `usedBytes` so far. */
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
