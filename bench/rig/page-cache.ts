import { closeSync, fdatasyncSync, openSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/**
 * Removes a folder's files from the page cache, so that the next read of them is from the disk. It runs `dd`, whose `nocache`
 * with a count of 0 means POSIX_FADV_DONTNEED on the whole file. Only synced data can be removed, so the files are synced
 * first.
 *
 * @throws Error if there is no GNU dd
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

/** The same for one file, which must be synced. */
export function evictFile(path: string): void {
	const { success, stderr } = Bun.spawnSync(["dd", `if=${path}`, "iflag=nocache", "count=0", "status=none"]);
	if (!success) throw new Error(`dd could not evict ${path}: ${stderr}`);
}

/** Bytes that a process has read from the disk so far, without those from the page cache. */
export function diskReadBytes(pid: number): number {
	const bytes = /^read_bytes: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, "utf8"))?.[1];
	if (bytes === undefined) throw new Error(`/proc says nothing of what process ${pid} read`);
	return Number(bytes);
}
