import { createHash } from "node:crypto";
import {
	closeSync,
	existsSync,
	mkdirSync,
	openSync,
	readdirSync,
	readSync,
	rmSync,
	statfsSync,
	statSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { syncFile } from "../disk/sync.ts";
import { BackupError } from "./backup-error.ts";

/** What file systems make by themselves. */
const ALLOWED = "lost+found";
const CHUNK_BYTES = 1024 * 1024;

/**
 * Makes a folder, or takes one that is empty. It is durable when this returns.
 * @throws BackupError if there is anything in it
 */
export function makeEmptyFolder(folder: string): void {
	mkdirSync(folder, { recursive: true });
	const [found] = readdirSync(folder).filter((name) => name !== ALLOWED);
	if (found !== undefined)
		throw new BackupError(`${folder} is not empty: ${found} is in it. A backup needs a folder of its own`);
	syncFile(dirname(folder));
}

/**
 * Makes the first folder in one that was empty. If two found it empty at the same moment, only one goes on: the other could remove what the
 * first one writes.
 *
 * @throws BackupError if it is there
 */
export function claim(folder: string, name: string): void {
	try {
		mkdirSync(join(folder, name));
	} catch (error) {
		if (existsSync(join(folder, name)))
			throw new BackupError(`${folder} is not empty any more: another backup goes to it`);
		throw error;
	}
}

/** Removes what is in a folder. */
export function emptyFolder(folder: string): void {
	for (const name of readdirSync(folder))
		if (name !== ALLOWED) rmSync(join(folder, name), { recursive: true, force: true });
}

/**
 * Checks that there is room for a copy.
 *
 * @param source a folder from whose file system so many bytes must stay free, if the copy goes to the same one
 * @throws BackupError if there is not
 */
export function checkRoom(folder: string, bytes: number, source: string, reserveBytes: number): void {
	const { bavail, bsize } = statfsSync(folder);
	const isSame = statSync(folder).dev === statSync(source).dev;
	const missing = bytes + (isSame ? reserveBytes : 0) - bavail * bsize;
	if (missing > 0) throw new BackupError(`${folder} has too little room: ${missing} bytes are missing`);
}

/**
 * Checks that there is a plain file of this size, before it is opened: a pipe or a device in its place could be read for ever.
 * @throws BackupError if there is not
 */
export function checkFile(path: string, bytes: number): void {
	const found = statSync(path, { throwIfNoEntry: false });
	if (found === undefined) throw new BackupError(`${path} is missing`);
	if (!found.isFile() || found.size !== bytes)
		throw new BackupError(`${path} is not what it was when the backup was made: it is damaged`);
}

/** Bytes of the files of this name that there are. Retention may remove some meanwhile. */
export function bytesOf(paths: readonly string[]): number {
	return paths.reduce((sum, path) => sum + (statSync(path, { throwIfNoEntry: false })?.size ?? 0), 0);
}

/** Size and SHA-256 of a file. */
export function sumOfFile(path: string): { bytes: number; sha256: string } {
	const hash = createHash("sha256");
	const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
	const file = openSync(path, "r");
	try {
		let bytes = 0;
		for (let count = readSync(file, chunk); count > 0; count = readSync(file, chunk)) {
			hash.update(chunk.subarray(0, count));
			bytes += count;
		}
		return { bytes, sha256: hash.digest("hex") };
	} finally {
		closeSync(file);
	}
}
