import { Database } from "bun:sqlite";
import { join } from "node:path";
import { DiskFault, diskFaultReason } from "../../disk/fault.ts";

const LOCK_FILE = "lock";
/** What a lock leaves in its directory: the file, and what SQLite puts beside it while it is held. A process that is killed leaves both. */
export const LOCK_FILES: ReadonlySet<string> = new Set([LOCK_FILE, `${LOCK_FILE}-journal`]);

/**
 * The lock of a log directory, which only one writer can hold.
 *
 * It is SQLite's exclusive lock on a database without content. SQLite uses a kernel lock on an open file. So the lock ends with
 * the process, even by `kill -9`, and needs no native code of ours. A file with a process id in it would outlive a crash. A
 * socket would not be visible from another network namespace, such as another container on the same volume. SQLite also
 * refuses a second lock within the same process, which bare POSIX locks would not.
 */
export class DirectoryLock {
	readonly #database: Database;

	/**
	 * @throws DiskFault if the directory can't be written to
	 * @throws Error if another process, or another part of this one, holds the lock
	 */
	constructor(directory: string) {
		let database: Database | null = null;
		try {
			database = new Database(join(directory, LOCK_FILE));
			database.run("PRAGMA busy_timeout = 0");
			database.run("BEGIN EXCLUSIVE");
		} catch (cause) {
			database?.close();
			const reason = diskFaultReason(cause);
			if (reason !== null)
				throw new DiskFault(reason, `the log in ${directory} can't be written: ${reason}`, { cause });
			throw new Error(`the log in ${directory} is in use by another relay: only one process may write to it`, {
				cause,
			});
		}
		this.#database = database;
	}

	release(): void {
		this.#database.run("ROLLBACK");
		this.#database.close();
	}
}
