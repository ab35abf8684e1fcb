import { Database } from "bun:sqlite";
import { mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { storable } from "../../protocol/text.ts";
import type { CopyRows, CopySide, Progress } from "../copy/side.ts";
import {
	type ColumnType,
	type CopiedTable,
	columnNames,
	keyNames,
	keyOf,
	type Row,
	type Value,
} from "../copy/tables.ts";
import { StoreBroken, StoreUnavailable } from "../store-fault.ts";
import { DatabaseFiles } from "./database-files.ts";
import { checkSchema, createSchema } from "./schema.ts";

/** Pages of a target in memory. Its index of DIDs is filled in no order, so with a small cache its pages would be written many times. */
const TARGET_CACHE_KIB = 64 * 1024;

/**
 * Opens an index to copy from.
 * @throws StoreBroken if another program has it open, or if it is not an index of this program's schema version
 */
export function openSqliteSource(path: string): Promise<CopySide> {
	return open(path, { readwrite: true }, checkSchema);
}

/**
 * Opens an index to copy to, and makes its file and tables if it is absent.
 * @throws StoreBroken as `openSqliteSource`
 */
export async function openSqliteTarget(path: string): Promise<CopySide> {
	mkdirSync(dirname(path), { recursive: true });
	return await open(path, { readwrite: true, create: true }, (database) => {
		database.run("PRAGMA synchronous = FULL");
		database.run(`PRAGMA cache_size = -${TARGET_CACHE_KIB}`);
		createSchema(database);
	});
}

/** The files that this process has alone, by device and inode. */
const heldFiles = new Set<string>();

async function open(
	path: string,
	options: { readwrite: true; create?: true },
	prepare: (database: Database) => void,
): Promise<CopySide> {
	const files = new NamedFiles(path);
	const database = await files.attempt(() => new Database(path, options));
	try {
		const file = await files.attempt(() => takeAlone(database));
		heldFiles.add(file);
		try {
			await files.attempt(() => prepare(database));
		} catch (error) {
			heldFiles.delete(file);
			throw error;
		}
		return new SqliteSide(database, files, () => void heldFiles.delete(file));
	} catch (error) {
		database.close();
		throw error;
	}
}

/**
 * Keeps all others out until the database is closed. A relay that runs has the file open in WAL mode, and SQLite lets nobody have it alone
 * then, even if the relay does nothing.
 *
 * @returns the file's device and inode
 * @throws StoreBroken if it is open already
 */
function takeAlone(database: Database): string {
	const { dev, ino } = statSync(database.filename);
	const file = `${dev} ${ino}`;
	if (heldFiles.has(file)) throw new StoreBroken(`${database.filename} is both the source and the target`);
	database.run("PRAGMA locking_mode = EXCLUSIVE");
	try {
		database.run("BEGIN EXCLUSIVE");
	} catch (error) {
		if (!(error instanceof Error && "code" in error && String(error.code).startsWith("SQLITE_BUSY"))) throw error;
		throw new StoreBroken(`${database.filename} is in use by another program: stop the relay first`);
	}
	database.run("COMMIT");
	return file;
}

/** Work on a database's files, whose errors name it. SQLite's own do not. */
class NamedFiles {
	readonly #files: DatabaseFiles;
	readonly #path: string;

	constructor(path: string) {
		this.#path = path;
		this.#files = DatabaseFiles.at(path);
	}

	async attempt<Result>(work: () => Result): Promise<Result> {
		try {
			return await this.#files.attempt(work);
		} catch (error) {
			if (!(error instanceof StoreBroken || error instanceof StoreUnavailable)) throw error;
			if (error.message.includes(this.#path)) throw error;
			const message = `${this.#path}: ${error.message}`;
			throw error instanceof StoreBroken
				? new StoreBroken(message, error.code)
				: new StoreUnavailable(error.reason, message, error.code);
		}
	}
}

class SqliteSide implements CopySide {
	readonly place: string;
	readonly #database: Database;
	readonly #files: NamedFiles;
	readonly #onClose: () => void;

	constructor(database: Database, files: NamedFiles, onClose: () => void) {
		this.place = database.filename;
		this.#database = database;
		this.#files = files;
		this.#onClose = onClose;
	}

	async transaction<Result>(work: (rows: CopyRows) => Promise<Result>): Promise<Result> {
		await this.#files.attempt(() => this.#database.run("BEGIN"));
		try {
			const result = await work(new SqliteRows(this.#database, this.#files));
			await this.#files.attempt(() => this.#database.run("COMMIT"));
			return result;
		} catch (error) {
			// If the disk is full, SQLite has rolled back by itself.
			if (this.#database.inTransaction) this.#database.run("ROLLBACK");
			throw error;
		}
	}

	async close(): Promise<void> {
		this.#database.close();
		this.#onClose();
	}
}

class SqliteRows implements CopyRows {
	readonly #database: Database;
	readonly #files: NamedFiles;

	constructor(database: Database, files: NamedFiles) {
		this.#database = database;
		this.#files = files;
	}

	progress(): Promise<Progress> {
		return this.#files.attempt(() => {
			const row = this.#database
				.query<Progress, []>("SELECT lsn AS checkpoint, host_id_max AS hostIdMax, log_id AS logId FROM checkpoint")
				.get();
			if (row === null) throw new StoreBroken(`${this.#database.filename} has lost its checkpoint row`);
			return row;
		});
	}

	setProgress({ checkpoint, hostIdMax, logId }: Progress): Promise<void> {
		return this.#files.attempt(() => {
			this.#database
				.query("UPDATE checkpoint SET lsn = ?, host_id_max = ?, log_id = ?")
				.run(checkpoint, hostIdMax, logId);
		});
	}

	count({ name }: CopiedTable): Promise<number> {
		return this.#files.attempt(
			() => this.#database.query<{ count: number }, []>(`SELECT count(*) AS count FROM ${name}`).get()?.count ?? 0,
		);
	}

	page(table: CopiedTable, after: Row | null, limit: number): Promise<Row[]> {
		const key = keyNames(table);
		const beyond = after === null ? "" : `WHERE (${key}) > (${key.map(() => "?")})`;
		const types = Object.values(table.columns);
		return this.#files.attempt(() =>
			this.#database
				.query<unknown, Value[]>(`SELECT ${columnNames(table)} FROM ${table.name} ${beyond} ORDER BY ${key} LIMIT ?`)
				.values(...(after === null ? [] : keyOf(table, after)), limit)
				.map((values) => values.map((value, at) => readValue(value, types[at]))),
		);
	}

	insert(table: CopiedTable, rows: readonly Row[]): Promise<void> {
		const names = columnNames(table);
		return this.#files.attempt(() => {
			const statement = this.#database.query<unknown, Value[]>(
				`INSERT INTO ${table.name} (${names}) VALUES (${names.map(() => "?")})`,
			);
			for (const row of rows) statement.run(...row);
		});
	}
}

/** SQLite has no booleans. Its texts may be of a release that did not check them. */
function readValue(value: Value | bigint, type: ColumnType | undefined): Value {
	if (type === "boolean") return value === 1;
	if (typeof value === "bigint") return Number(value);
	return typeof value === "string" ? storable(value) : value;
}
