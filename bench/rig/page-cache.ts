import { closeSync, fdatasyncSync, openSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/**
 * Makes a folder's files leave the page cache, so that the next read of them is from the disk. It asks `dd` for it, whose
 * `nocache` with a count of 0 is POSIX_FADV_DONTNEED on the whole file; only what is synced can leave.
 *
 * @throws Error where there is no GNU dd
 */
export function evictFiles(directory: string): void {
	for (const name of readdirSync(directory)) {
		const path = join(directory, name);
		const file = openSync(path, "r+");
		fdatasyncSync(file);
		closeSync(file);
		evictFile(path);
	}
}

/** The same for one file that is synced. */
export function evictFile(path: string): void {
	const { success, stderr } = Bun.spawnSync(["dd", `if=${path}`, "iflag=nocache", "count=0", "status=none"]);
	if (!success) throw new Error(`dd could not evict ${path}: ${stderr}`);
}

/** Bytes that a process has had read from disk so far: what the page cache gave it is not in there. */
export function diskReadBytes(pid: number): number {
	const bytes = /^read_bytes: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, "utf8"))?.[1];
	if (bytes === undefined) throw new Error(`/proc says nothing of what process ${pid} read`);
	return Number(bytes);
}
