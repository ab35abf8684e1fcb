import type { CopyRows, CopySide, Progress } from "../copy/side.ts";
import {
	type ColumnType,
	type CopiedTable,
	columnNames,
	keyNames,
	keyOf,
	keyTypes,
	type Row,
	type Value,
} from "../copy/tables.ts";
import { StoreBroken, StoreUnavailable } from "../store-fault.ts";
import type { TransactionSql } from "./client.ts";
import { Database, opened } from "./database.ts";
import { arrayOf } from "./rows.ts";
import { checkSchema, createSchema } from "./schema.ts";
import { checkServer } from "./store.ts";
import { LockedError, WriterLock } from "./writer-lock.ts";

/** The longest that a statement may take. Counting the rows of a large table takes long. */
const STATEMENT_MS_MAX = 600_000;
/** The longest time for a page of rows. A server that is frozen makes no error by itself. */
const PAGE_MS_MAX = 60_000;
/** The longest time that a timer can be set to: the transaction as a whole has no limit. */
const TRANSACTION_MS_MAX = 2 ** 31 - 1;

const SETTINGS = {
	statement_timeout: String(STATEMENT_MS_MAX),
	// One side waits while the other works.
	idle_in_transaction_session_timeout: "0",
};
const READ_ONLY = { default_transaction_read_only: "on" };

const TYPES: Readonly<Record<ColumnType, string>> = {
	integer: "bigint",
	boolean: "boolean",
	text: "text",
	bytes: "bytea",
};

/** Names of this process's sessions. */
const RUN = crypto.randomUUID();
const SOURCE_NAME = `standpipe copy source ${RUN}`;
const TARGET_NAME = `standpipe copy target ${RUN}`;

/**
 * Opens an index to copy from.
 * @throws StoreBroken if a relay uses it, or if it is not an index of this program's schema version
 */
export function openPostgresSource(url: string, pageMsMax = PAGE_MS_MAX): Promise<CopySide> {
	return open(url, { name: SOURCE_NAME, settings: READ_ONLY, prepare: checkSchema, pageMsMax });
}

/**
 * Opens an index to copy from, as it is at one moment. A relay may use it meanwhile.
 * @throws StoreBroken if it is not an index of this program's schema version
 */
export async function openPostgresSnapshot(url: string): Promise<CopySide> {
	const database = new Database(url, { name: SOURCE_NAME, settings: { ...SETTINGS, ...READ_ONLY } });
	return await opened(database, async () => {
		await checkServer(database, url);
		await checkSchema(database);
		return new PostgresSide(database, null, PAGE_MS_MAX);
	});
}

/**
 * Opens an index to copy to, and makes its tables if the database is empty.
 * @throws StoreBroken as `openPostgresSource`
 */
export function openPostgresTarget(url: string, pageMsMax = PAGE_MS_MAX): Promise<CopySide> {
	return open(url, { name: TARGET_NAME, settings: {}, prepare: createSchema, pageMsMax });
}

interface SideOptions {
	/** Of the session. */
	name: string;
	settings: Readonly<Record<string, string>>;
	/** Makes or checks the tables. */
	prepare(database: Database): Promise<void>;
	/** The longest time for a page of rows. */
	pageMsMax: number;
}

async function open(url: string, { name, settings, prepare, pageMsMax }: SideOptions): Promise<CopySide> {
	const database = new Database(url, { name, settings: { ...SETTINGS, ...settings } });
	return await opened(database, async () => {
		await checkServer(database, url);
		const lock = new WriterLock(database, name, Bun.sleep, 1);
		await takeAlone(database, lock);
		await prepare(database);
		return new PostgresSide(database, lock, pageMsMax);
	});
}

/** Takes the lock that a relay's writer has as long as it runs. */
async function takeAlone(database: Database, lock: WriterLock): Promise<void> {
	try {
		await lock.hold();
	} catch (error) {
		if (!(error instanceof LockedError)) throw error;
		if (error.holder === SOURCE_NAME) throw new StoreBroken(`${database.place} is both the source and the target`);
		throw new StoreBroken(`${error.message}: stop the relay first`);
	}
}

class PostgresSide implements CopySide {
	readonly place: string;
	readonly #database: Database;
	readonly #lock: WriterLock | null;
	readonly #pageMsMax: number;

	/** @param lock null if others may use the index */
	constructor(database: Database, lock: WriterLock | null, pageMsMax: number) {
		this.place = database.place;
		this.#database = database;
		this.#lock = lock;
		this.#pageMsMax = pageMsMax;
	}

	async transaction<Result>(work: (rows: CopyRows) => Promise<Result>): Promise<Result> {
		if (this.#lock !== null) await takeAlone(this.#database, this.#lock);
		const { connectionsLost } = this.#database;
		const late = Promise.withResolvers<never>();
		const outcome = this.#database.transaction(async (sql) => {
			await sql`SET TRANSACTION ISOLATION LEVEL REPEATABLE READ`;
			if (this.#database.connectionsLost !== connectionsLost)
				throw new StoreUnavailable("database-unreachable", `${this.place}: the connection was lost`);
			return await work(new PostgresRows(sql, { place: this.place, onLate: late.reject, pageMsMax: this.#pageMsMax }));
		}, TRANSACTION_MS_MAX);
		return await Promise.race([outcome, late.promise]);
	}

	close(): Promise<void> {
		return this.#database.close();
	}
}

interface RowsOptions {
	place: string;
	/** Called if the server does not answer any more. */
	onLate(error: unknown): void;
	pageMsMax: number;
}

class PostgresRows implements CopyRows {
	readonly #sql: TransactionSql;
	readonly #options: RowsOptions;

	constructor(sql: TransactionSql, options: RowsOptions) {
		this.#sql = sql;
		this.#options = options;
	}

	async progress(): Promise<Progress> {
		const [row] = await this.#inTime(
			this.#sql<Progress[]>`SELECT lsn AS checkpoint, host_id_max AS "hostIdMax", log_id AS "logId" FROM meta`,
		);
		if (row === undefined) throw new StoreBroken(`${this.#options.place} has lost its row of meta`);
		return { ...row };
	}

	async setProgress({ checkpoint, hostIdMax, logId }: Progress): Promise<void> {
		await this.#inTime(this.#sql`UPDATE meta SET lsn = ${checkpoint}, host_id_max = ${hostIdMax}, log_id = ${logId}`);
	}

	async count({ name }: CopiedTable): Promise<number> {
		const [row] = await this.#inTime(
			this.#sql.unsafe<{ count: number }[]>(`SELECT count(*) AS count FROM ${name}`),
			STATEMENT_MS_MAX,
		);
		return row?.count ?? 0;
	}

	async page(table: CopiedTable, after: Row | null, limit: number): Promise<Row[]> {
		const key = keyNames(table);
		const types = keyTypes(table).map((type, at) => `$${at + 1}::${TYPES[type]}`);
		const beyond = after === null ? "" : `WHERE (${key}) > (${types})`;
		const text = `SELECT ${columnNames(table)} FROM ${table.name} ${beyond} ORDER BY ${key} LIMIT ${limit}`;
		const values = after === null ? [] : keyOf(table, after);
		const rows = await this.#inTime(
			this.#sql.unsafe<Row[]>(text, values as (string | number)[], { prepare: true }).values(),
		);
		return rows as unknown as Row[];
	}

	async insert(table: CopiedTable, rows: readonly Row[]): Promise<void> {
		const names = columnNames(table);
		const types = Object.values(table.columns);
		const text = `INSERT INTO ${table.name} (${names}) SELECT ${names.map((name, at) => `${name}::${TYPES[types[at] ?? "text"]}`)}
			FROM unnest(${names.map((_, at) => `$${at + 1}::text[]`)}) AS row (${names})`;
		const columns = names.map((_, at) => arrayOf(rows.map((row): Value => row[at] ?? null)));
		await this.#inTime(this.#sql.unsafe(text, columns, { prepare: true }));
	}

	async #inTime<Result>(answer: PromiseLike<Result>, msMax = this.#options.pageMsMax): Promise<Result> {
		const { place, onLate } = this.#options;
		const timer = setTimeout(() => {
			onLate(new StoreUnavailable("database-unreachable", `${place} has not answered for ${msMax / 1000} s`));
		}, msMax);
		try {
			return await answer;
		} finally {
			clearTimeout(timer);
		}
	}
}
