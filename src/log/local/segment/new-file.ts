import { join } from "node:path";
import { diskFaultReason, isNotFound } from "../../../disk/fault.ts";
import type { LogFs } from "../log-fs.ts";

/** Ending of files that are written aside and then renamed: what is found of them at the start is left over. */
export const TEMPORARY_SUFFIX = ".tmp";

/**
 * Makes a file whole or not at all: it is filled under another name, synced, and only then takes its own, in place of any
 * other of that name. Durable with its entry when this returns. After a fault it can be called again.
 *
 * @param fill writes the content to the open file, which stays open; what it returns is returned
 */
export function createFile<Made>(fs: LogFs, directory: string, name: string, fill: (file: number) => Made): Made {
	const aside = name + TEMPORARY_SUFFIX;
	removeIfThere(fs, join(directory, aside));
	return fillFile(fs, directory, { aside, mode: "create", name }, fill);
}

/** The same with a file that is there under another name, if `mode` is `update`: its content stays but for what is written. */
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

/** Closes a file of which nothing more is expected, so that a fault of the disk has nothing to say any more. */
export function closeAnyway(fs: LogFs, file: number): void {
	try {
		fs.close(file);
	} catch (error) {
		if (diskFaultReason(error) === null) throw error;
	}
}
