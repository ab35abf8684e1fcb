import { join } from "node:path";
import { diskFaultReason, isNotFound } from "../../../disk/fault.ts";
import type { LogFs } from "../log-fs.ts";

/** Ending of files that are renamed when they are whole. If a start finds one, a crash has left it. */
export const TEMPORARY_SUFFIX = ".tmp";

/**
 * Makes a file as a whole or not at all. It is filled under another name, synced, and then renamed. A file that had the name is
 * replaced. The new one is durable with its directory entry when this returns. After a fault of the disk it can be called again.
 *
 * @param fill writes the content to the open file, which stays open; what it returns is returned
 */
export function createFile<Made>(fs: LogFs, directory: string, name: string, fill: (file: number) => Made): Made {
	const aside = name + TEMPORARY_SUFFIX;
	removeIfThere(fs, join(directory, aside));
	return fillFile(fs, directory, { aside, mode: "create", name }, fill);
}

/** The same with the other name `aside`. If `mode` is `update`, that file exists, and keeps what `fill` does not write over. */
export function fillFile<Made>(
	fs: LogFs,
	directory: string,
	{ aside, mode, name }: { aside: string; mode: "create" | "update"; name: string },
	fill: (file: number) => Made,
): Made {
	const file = fs.open(join(directory, aside), mode);
	try {
		const made = fill(file);
		fs.sync(file);
		fs.rename(join(directory, aside), join(directory, name));
		fs.syncDirectory(directory);
		return made;
	} catch (error) {
		closeAnyway(fs, file);
		throw error;
	}
}

/** Removes a file that may be gone already. */
export function removeIfThere(fs: LogFs, path: string): void {
	try {
		fs.remove(path);
	} catch (error) {
		if (!isNotFound(error)) throw error;
	}
}

/** Closes a file that is of no further use. A fault of the disk no longer matters, so it is ignored. */
export function closeAnyway(fs: LogFs, file: number): void {
	try {
		fs.close(file);
	} catch (error) {
		if (diskFaultReason(error) === null) throw error;
	}
}
