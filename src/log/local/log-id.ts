import { join } from "node:path";
import { isNotFound } from "../../disk/fault.ts";
import { Damage } from "../../runtime/boundary.ts";
import type { LogFs } from "./log-fs.ts";
import { createFile } from "./segment/new-file.ts";

const NAME = "id";
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** A UUID and an end of line, with room for what an editor may add. */
const FILE_BYTES_MAX = 64;

/**
 * The log's id: a UUID that never changes, in a file of its own that people can read and write. Whatever follows the log, such
 * as the index, stores the id too, so that it is never used with another log. A log without an id gets one here. The id is
 * durable when this returns.
 *
 * @throws Damage if the file holds no UUID
 */
export function ensureLogId(fs: LogFs, directory: string): string {
	const found = readLogId(fs, directory);
	if (found !== null) return found;
	const id = crypto.randomUUID();
	writeLogId(fs, directory, id);
	return id;
}

/** Whether a folder has a file for a log's id, whatever it holds. */
export function hasLogId(fs: LogFs, directory: string): boolean {
	return fs.list(directory).includes(NAME);
}

/** Gives a log this id. It is durable when this returns. */
export function writeLogId(fs: LogFs, directory: string, id: string): void {
	const file = createFile(fs, directory, NAME, (file) => {
		fs.write(file, Buffer.from(`${id}\n`), 0);
		return file;
	});
	fs.close(file);
}

/**
 * Null if the log has no id yet.
 *
 * @throws Damage if the file holds no UUID
 */
export function readLogId(fs: LogFs, directory: string): string | null {
	const path = join(directory, NAME);
	const bytes = Buffer.alloc(FILE_BYTES_MAX);
	let length: number;
	try {
		const file = fs.open(path, "read");
		length = fs.read(file, bytes, 0);
		fs.close(file);
	} catch (error) {
		if (isNotFound(error)) return null;
		throw error;
	}
	const id = bytes.toString("latin1", 0, length).trim();
	if (!UUID.test(id)) throw new Damage(`${path} holds no log id: put back the UUID that stood in it`);
	return id;
}
