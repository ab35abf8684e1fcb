import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** About the size of a batch of the log at 2,000 events/s. */
export const BATCH_BYTES = 32 * 1024;

/**
 * Measures `count` times how many ms `fdatasync` takes after an append of 32 KiB, in a new folder below `parent`, which is
 * removed after that.
 */
export function measureSyncs(count: number, parent = tmpdir()): number[] {
	const directory = mkdtempSync(join(parent, "standpipe-bench-"));
	try {
		const file = openSync(join(directory, "synced"), "w");
		const batch = Buffer.alloc(BATCH_BYTES, 1);
		const tookMs = Array.from({ length: count }, (_, at) => {
			writeSync(file, batch, 0, batch.length, at * batch.length);
			const startMs = performance.now();
			fdatasyncSync(file);
			return performance.now() - startMs;
		});
		closeSync(file);
		return tookMs;
	} finally {
		rmSync(directory, { recursive: true });
	}
}
