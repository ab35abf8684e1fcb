import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const MEMORY_DIR = "/dev/shm";
const CHUNK_BYTES = 64 * 1024 ** 2;
/** How much more is given back than was used. */
const AHEAD_BYTES = 256 * 1024 ** 2;

/**
 * Memory that a virtual machine has got from its host already, for the page cache of a run that writes gigabytes. Many hosts
 * give memory at the first touch of each page and take free memory back within seconds; a run without this measures mostly
 * that. The memory is held as files of a RAM disk, and given back little by little as the run goes on.
 */
export class TouchedMemory {
	readonly #dir = mkdtempSync(join(MEMORY_DIR, "standpipe-bench-"));
	readonly #chunks: string[] = [];
	#freedBytes = 0;

	/** Touches this much, or as much as the RAM disk has room for. */
	constructor(bytes: number) {
		const chunk = Buffer.alloc(CHUNK_BYTES, 1);
		for (let at = 0; at < bytes; at += CHUNK_BYTES) {
			const path = join(this.#dir, String(at));
			this.#chunks.push(path);
			try {
				writeFileSync(path, chunk);
			} catch (error) {
				if (error instanceof Error && "code" in error && error.code === "ENOSPC") return;
				throw error;
			}
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
