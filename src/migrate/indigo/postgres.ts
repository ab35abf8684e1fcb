import type { TransactionSql } from "../../index/postgres/client.ts";
import { Database } from "../../index/postgres/database.ts";
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

const SESSION = {
	name: "standpipe migrate",
	settings: {
		default_transaction_read_only: "on",
		// Counting the rows of a large table takes long.
		statement_timeout: "600000",
		// The session waits while rows are written elsewhere.
		idle_in_transaction_session_timeout: "0",
	},
};
/** The longest time that a timer can be set to: the transaction as a whole has no limit. */
const TRANSACTION_MS_MAX = 2 ** 31 - 1;

/** Opens the database for reading. Indigo may use it, too: it is read as of one moment. */
export function openIndigoPostgres(url: string): IndigoSource {
	return new PostgresSource(new Database(url, SESSION));
}

class PostgresSource implements IndigoSource {
	readonly #database: Database;

	constructor(database: Database) {
		this.#database = database;
	}

	get place(): string {
		return this.#database.place;
	}

	transaction<Result>(work: (rows: IndigoRows) => Promise<Result>): Promise<Result> {
		return this.#database.transaction(async (sql) => {
			await sql`SET TRANSACTION ISOLATION LEVEL REPEATABLE READ`;
			return await work(new PostgresRows(sql));
		}, TRANSACTION_MS_MAX);
	}

	close(): Promise<void> {
		return this.#database.close();
	}
}

class PostgresRows implements IndigoRows {
	readonly #sql: TransactionSql;

	constructor(sql: TransactionSql) {
		this.#sql = sql;
	}

	async count(table: IndigoTableName): Promise<number> {
		return (await this.#number(countRows(table))) ?? 0;
	}

	async page<Name extends IndigoTableName>(table: Name, after: number): Promise<IndigoRow<Name>[]> {
		const values = await this.#sql.unsafe(selectPage(table, "$1::bigint"), [after], { prepare: true }).values();
		return values.map((row) => toRow(table, row as unknown as IndigoValues));
	}

	lastFileSeq(): Promise<number | null> {
		return this.#number(SELECT_LAST_FILE_SEQ);
	}

	async #number(statement: string): Promise<number | null> {
		const [row] = await this.#sql.unsafe(statement).values();
		const value: unknown = row?.[0];
		return typeof value === "number" ? value : null;
	}
}
