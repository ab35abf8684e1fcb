import { Database } from "bun:sqlite";

/** How long a statement waits for another thread's lock. By default SQLite does not wait at all. */
const BUSY_TIMEOUT_MS = 5000;
/** Size that the write-ahead log is cut back to after it has grown. */
const WAL_BYTES_KEPT = 16 * 1024 * 1024;

/** Opens a file that a writer of the same process has made, for `use` to read. Closes it if `use` throws. */
export function openForReading<Opened>(path: string, use: (database: Database) => Opened): Opened {
	return opened(new Database(path, { readonly: true }), use);
}

/**
 * Opens a file for `use` to write, and makes it if it is absent. Closes it if `use` throws. A power cut can undo transactions: what they
 * wrote must be known elsewhere, as the records of the log are. So transactions need no sync of their own.
 */
export function openForWriting<Opened>(path: string, use: (database: Database) => Opened): Opened {
	return opened(new Database(path, { create: true, readwrite: true }), (database) => {
		database.run("PRAGMA journal_mode = WAL");
		database.run("PRAGMA synchronous = NORMAL");
		database.run(`PRAGMA journal_size_limit = ${WAL_BYTES_KEPT}`);
		return use(database);
	});
}

function opened<Opened>(database: Database, use: (database: Database) => Opened): Opened {
	try {
		database.run(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
		return use(database);
	} catch (error) {
		database.close();
		throw error;
	}
}
