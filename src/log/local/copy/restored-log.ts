import { join } from "node:path";
import { isNotFound } from "../../../disk/fault.ts";
import type { LogNumbers } from "../../log.ts";
import { LAST_USED_FILE, LastUsed, readLastUsed } from "../last-used.ts";
import { DirectoryLock, LOCK_FILES } from "../lock.ts";
import type { LogFs } from "../log-fs.ts";
import { writeLogId } from "../log-id.ts";
import { removeIfThere, TEMPORARY_SUFFIX } from "../segment/new-file.ts";
import { type CopiedFile, copyFile } from "./copied-file.ts";

/** A file of the copy is not what it was when it was made. */
export class CopyChanged extends Error {
	override readonly name = "CopyChanged";
}

/** What a folder may have that a log is restored to: what an attempt before left, and what file systems make. */
const FREE_NAMES: ReadonlySet<string> = new Set([LAST_USED_FILE, ...LOCK_FILES, "lost+found"]);

/** A name of something in the folder because of which no log can be restored to it; null if there is nothing or no folder. */
export function occupantOf(fs: LogFs, directory: string): string | null {
	try {
		return fs.list(directory).find((name) => !FREE_NAMES.has(name)) ?? null;
	} catch (error) {
		if (isNotFound(error)) return null;
		throw error;
	}
}

export interface LogRestoreOptions {
	fs: LogFs;
	/** The folder of the copy. */
	from: string;
	/** A folder without an occupant, or none. */
	to: string;
	/** The segments of the copy, oldest first. */
	files: readonly CopiedFile[];
	/** Called after each piece, with its bytes. */
	onBytes: (bytes: number) => void;
}

/**
 * A log that is made from a copy. No relay can write to it until this is closed. The numbers that may be in use are there before any
 * record, and until the end the segments have names that no start takes for a log's. So wherever this ends, no start uses a number twice.
 */
export class RestoredLog {
	readonly #options: LogRestoreOptions;
	readonly #lock: DirectoryLock;

	/**
	 * @param used the greatest numbers that may have been given out: a start goes on after them
	 * @throws Error if the folder can't be written to, or if a relay uses it
	 */
	constructor(options: LogRestoreOptions, used: LogNumbers) {
		const { fs, to } = options;
		this.#options = options;
		fs.makeDirectory(to);
		this.#lock = new DirectoryLock(to);
		try {
			noteUsed(fs, to, used);
		} catch (error) {
			this.#lock.release();
			throw error;
		}
	}

	/**
	 * Copies the segments, and checks them.
	 *
	 * @throws CopyChanged
	 * @throws Error if the disk fails
	 */
	copy(): void {
		const { fs, from, to, files, onBytes } = this.#options;
		for (const { name, bytes, sha256 } of files) {
			const source = fs.open(join(from, name), "read");
			try {
				const target = join(to, `${name}${TEMPORARY_SUFFIX}`);
				// One byte more, so that a file that has grown is found.
				const copied = copyFile(fs, source, target, bytes + 1, onBytes);
				if (copied.bytes !== bytes || copied.sha256 !== sha256)
					throw new CopyChanged(`${join(from, name)} is not what it was when the backup was made: it is damaged`);
			} finally {
				fs.close(source);
			}
		}
	}

	/** Makes it the log with this id. */
	commit(id: string): void {
		const { fs, to, files } = this.#options;
		for (const { name } of files) fs.rename(join(to, `${name}${TEMPORARY_SUFFIX}`), join(to, name));
		fs.syncDirectory(to);
		writeLogId(fs, to, id);
	}

	/** Removes what was copied. The numbers stay: a folder with them is free. */
	undo(): void {
		const { fs, to, files } = this.#options;
		for (const { name } of files) removeIfThere(fs, join(to, `${name}${TEMPORARY_SUFFIX}`));
	}

	close(): void {
		this.#lock.release();
	}
}

/** Notes that these numbers may be in use, and those that were noted there before. */
function noteUsed(fs: LogFs, directory: string, used: LogNumbers): void {
	const before = readLastUsed(fs, directory);
	const lsnMax = Math.max(used.lsn, before?.numbers.lsnMax ?? 0);
	const seqMax = Math.max(used.seq, before?.numbers.seqMax ?? 0);
	const file = new LastUsed(fs, directory, before?.counter ?? 0);
	file.write({ lsnMax, seqMax, epoch: 0, end: 0, isExact: false, isClean: false }, true);
	file.close();
}
