import { copyFileSync, renameSync, rmSync } from "node:fs";

/**
 * Puts a copy in the place of a database's file. In the process that had it open, a closed database keeps its file open until the runtime
 * has collected its statements, and a copy of an index has to have the file for itself.
 */
export function asNewFile(path: string): void {
	copyFileSync(path, `${path}.copy`);
	for (const old of [path, `${path}-wal`, `${path}-shm`]) rmSync(old, { force: true });
	renameSync(`${path}.copy`, path);
}
