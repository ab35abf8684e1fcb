import { Database } from "bun:sqlite";
import { StoreBroken } from "../../index/store-fault.ts";
import { messageOf } from "../../observe/log-value.ts";
import {
	countRows,
	type IndigoRow,
	type IndigoRows,
	type IndigoSource,
	type IndigoTableName,
	type IndigoValues,
	SELECT_LAST_FILE_SEQ,
	selectPage,
	toRow,
} from "./tables.ts";

/** Opens the file for reading. Indigo may have it open, too: it is read as of one moment. */
export function openIndigoSqlite(path: string): IndigoSource {
	return new SqliteSource(
		path,
		attempt(path, () => new Database(path, { readonly: true })),
	);
}

class SqliteSource implements IndigoSource {
	readonly place: string;
	readonly #database: Database;

	constructor(place: string, database: Database) {
		this.place = place;
		this.#database = database;
	}

	async transaction<Result>(work: (rows: IndigoRows) => Promise<Result>): Promise<Result> {
		attempt(this.place, () => this.#database.run("BEGIN"));
		try {
			return await work(new SqliteRows(this.place, this.#database));
		} finally {
			if (this.#database.inTransaction) this.#database.run("ROLLBACK");
		}
	}

	async close(): Promise<void> {
		this.#database.close();
	}
}

class SqliteRows implements IndigoRows {
	readonly #place: string;
	readonly #database: Database;

	constructor(place: string, database: Database) {
		this.#place = place;
		this.#database = database;
	}

	async count(table: IndigoTableName): Promise<number> {
		return this.#number(countRows(table)) ?? 0;
	}

	async page<Name extends IndigoTableName>(table: Name, after: number): Promise<IndigoRow<Name>[]> {
		const values = attempt(this.#place, () =>
			this.#database.query<IndigoValues, [number]>(selectPage(table, "?")).values(after),
		);
		return values.map((row) => toRow(table, row as unknown as IndigoValues));
	}

	async lastFileSeq(): Promise<number | null> {
		return this.#number(SELECT_LAST_FILE_SEQ);
	}

	#number(statement: string): number | null {
		const [row] = attempt(this.#place, () => this.#database.query(statement).values());
		const value = row?.[0];
		return typeof value === "number" ? value : null;
	}
}

/** SQLite's errors don't name the file. */
function attempt<Result>(place: string, work: () => Result): Result {
	try {
		return work();
	} catch (error) {
		throw new StoreBroken(`${place}: ${messageOf(error)}`);
	}
}
