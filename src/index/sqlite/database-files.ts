import { open } from "node:fs/promises";
import { diskFaultReason, isNotFound } from "../../disk/fault.ts";
import { StoreBroken, StoreUnavailable } from "../store-fault.ts";

const CHUNK_BYTES = 1024 * 1024;

/** Also extended codes, such as `SQLITE_CORRUPT_INDEX`. */
const MALFORMED = /^SQLITE_CORRUPT/;
const SQLITE_CODE = /^SQLITE_/;

/**
 * Tells a disk that can't be read from a damaged database. SQLite does not: if the system fails a read with EIO, it says that the
 * database is malformed. So when it says that, the files are read from end to end.
 */
export class DatabaseFiles {
	readonly #readWhole: () => Promise<void>;
	/** The reading of the files that is under way, shared by all calls that need it; else null. */
	#reading: Promise<void> | null = null;

	/** @param readWhole reads the database's files, and throws what the system says if it can't */
	constructor(readWhole: () => Promise<void>) {
		this.#readWhole = readWhole;
	}

	/** @param path the database's file; its write-ahead log is in the same folder */
	static at(path: string): DatabaseFiles {
		return new DatabaseFiles(async () => {
			for (const file of [path, `${path}-wal`]) await readWhole(file);
		});
	}

	/**
	 * Does work on the database. If SQLite calls the database malformed, the files are read, and the work is done once more.
	 *
	 * @throws StoreUnavailable if the disk fails, also if SQLite calls the database malformed but the files can't be read
	 * @throws StoreBroken if SQLite fails for any other reason
	 */
	async attempt<Result>(work: () => Result | Promise<Result>): Promise<Result> {
		try {
			return await work();
		} catch (error) {
			if (!isMalformed(error)) throw storeFault(error);
		}
		this.#reading ??= this.#readWhole().finally(() => {
			this.#reading = null;
		});
		try {
			await this.#reading;
			return await work();
		} catch (error) {
			throw storeFault(error);
		}
	}
}

/** The error for callers of the store. A failure that is neither SQLite's nor the system's is returned as it is. */
function storeFault(error: unknown): unknown {
	const code = codeOf(error);
	if (code === null || !(error instanceof Error)) return error;
	const reason = diskFaultReason(error);
	if (reason !== null) return new StoreUnavailable(reason, error.message, code);
	return SQLITE_CODE.test(code) ? new StoreBroken(error.message, code) : error;
}

function isMalformed(error: unknown): boolean {
	return MALFORMED.test(codeOf(error) ?? "");
}

function codeOf(error: unknown): string | null {
	return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : null;
}

async function readWhole(path: string): Promise<void> {
	const file = await open(path, "r").catch((error: unknown) => {
		if (isNotFound(error)) return null;
		throw error;
	});
	if (file === null) return;
	try {
		const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
		for (let at = 0, count = 1; count > 0; at += count) count = (await file.read(chunk, 0, CHUNK_BYTES, at)).bytesRead;
	} finally {
		await file.close();
	}
}
