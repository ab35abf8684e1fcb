import { closeSync, fsyncSync, openSync } from "node:fs";

/** Makes a file's content durable, or a folder's entries. */
export function syncFile(path: string): void {
	const file = openSync(path, "r");
	try {
		fsyncSync(file);
	} finally {
		closeSync(file);
	}
}
