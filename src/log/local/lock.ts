import { Database } from "bun:sqlite";
import { join } from "node:path";
import { DiskFault, diskFaultReason } from "../../disk/fault.ts";

/**
 * The one writer's claim on a log directory.
 *
 * SQLite's exclusive lock is used for nothing but itself: beneath it is a kernel lock on an open file, so it ends with
 * the process however that ends, `kill -9` included, and needs no native code of ours. A file with a process id in it
 * would outlive a crash, and a socket would not be seen from another network namespace (another container on the same
 * volume). SQLite also refuses a second claim within the same process, which bare POSIX locks would not.
 */
export class DirectoryLock {
	readonly #database: Database;

	/**
	 * @throws DiskFault where the directory can't be written to
	 * @throws Error where another process, or another part of this one, writes to the log
	 */
	constructor(directory: string) {
		let database: Database | null = null;
		try {
			database = new Database(join(directory, "lock"));
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
