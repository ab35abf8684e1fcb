// plc/postgres/: the mirror's tables in the index's PostgreSQL database. It knows rows, and no rules of did:plc.

import type { TransactionSql } from "../../index/postgres/client.ts";
import { Database, opened } from "../../index/postgres/database.ts";
import { Lookups } from "../../index/postgres/lookups.ts";
import { arrayOf, type Column, Upsert } from "../../index/postgres/rows.ts";
import { makeDurable } from "../../index/postgres/schema.ts";
import { StoreBroken, StoreUnavailable } from "../../index/store-fault.ts";
import type { DidState } from "../chain.ts";
import { decodeData, decodeState, didKeyBytes, didOfKeyBytes, encodeState } from "../state-codec.ts";
import type { Mirrored, MirrorReader, MirrorStore, Progress } from "../store.ts";

const SCHEMA_VERSION = 1;

/** Rows are replaced whole, and a page has room for new versions of a few of them. */
const TABLES = `
CREATE TABLE plc_did (
	did bytea PRIMARY KEY,
	state bytea NOT NULL
) WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.02);

CREATE TABLE plc_progress (
	one boolean PRIMARY KEY DEFAULT true CHECK (one),
	schema_version bigint NOT NULL,
	read_until_ms bigint NOT NULL,
	complete_until_ms bigint NOT NULL,
	writer text NOT NULL,
	directory text NOT NULL,
	after text NOT NULL
);

INSERT INTO plc_progress (schema_version, read_until_ms, complete_until_ms, writer, directory, after)
	VALUES (${SCHEMA_VERSION}, 0, 0, '', '', '0');
`;

const STATE: readonly Column<DidState>[] = [
	{ name: "did", type: "bytea", value: ({ did }) => didKeyBytes(did) },
	{ name: "state", type: "bytea", value: encodeState },
];
const UPSERT_STATES = new Upsert("plc_did", "did", STATE);

interface StateRow {
	did: Uint8Array;
	state: Uint8Array;
}

/**
 * Opens the mirror for writing, and makes its tables if they are absent.
 * @throws StoreBroken if the database holds a mirror of another release
 */
export async function openPostgresMirror(url: string): Promise<MirrorStore> {
	// If a crash of the server undoes transactions, the next write finds the progress undone with them, and the directory is asked again.
	const settings = { synchronous_commit: "off" };
	const database = new Database(url, { name: "standpipe mirror", settings });
	return opened(database, async () => {
		await database.transaction(async (sql) => {
			if (await hasTables(sql)) return;
			await makeDurable(sql);
			await sql.unsafe(TABLES);
		});
		await checkSchema(database);
		return new PostgresMirrorStore(database);
	});
}

/**
 * Opens the mirror for reading. The writer must have been opened before, since it makes the tables.
 * @throws StoreBroken if the database holds no mirror of this release
 */
export async function openPostgresMirrorReader(url: string): Promise<MirrorReader> {
	const settings = { default_transaction_read_only: "on" };
	const database = new Database(url, { name: "standpipe mirror reader", settings });
	return opened(database, async () => {
		await checkSchema(database);
		return new PostgresMirrorReader(database);
	});
}

async function hasTables(sql: TransactionSql): Promise<boolean> {
	const [found] = await sql<{ has: boolean }[]>`SELECT to_regclass('plc_progress') IS NOT NULL AS has`;
	return found?.has === true;
}

async function checkSchema(database: Database): Promise<void> {
	const found = await database.transaction(async (sql) => {
		if (!(await hasTables(sql))) return null;
		const [row] = await sql<{ version: number }[]>`SELECT schema_version AS version FROM plc_progress`;
		return row?.version ?? null;
	});
	if (found !== SCHEMA_VERSION)
		throw new StoreBroken(
			`${database.place} holds no PLC mirror of this release: drop its tables plc_did and plc_progress, and the relay fetches it again from the directory`,
		);
}

class PostgresMirrorReader implements MirrorReader {
	readonly #database: Database;
	readonly #lookups = new Lookups((dids) => this.#findAll(dids));

	constructor(database: Database) {
		this.#database = database;
	}

	find(did: string): Promise<Mirrored | null> {
		return this.#lookups.get(did);
	}

	close(): Promise<void> {
		return this.#database.close();
	}

	async #findAll(dids: readonly string[]): Promise<Map<string, Mirrored>> {
		const keys = arrayOf(Array.from(dids, didKeyBytes));
		const rows = await this.#database.run(
			(sql) => sql<(StateRow & { completeUntilMs: number })[]>`
				SELECT did, state, complete_until_ms AS "completeUntilMs" FROM plc_did, plc_progress WHERE did = ANY (${keys}::bytea[])`,
		);
		const found = new Map<string, Mirrored>();
		for (const { did, state, completeUntilMs } of rows) {
			const data = decodeData(state);
			if (data !== null) found.set(didOfKeyBytes(did), { data, completeUntilMs });
		}
		return found;
	}
}

class PostgresMirrorStore implements MirrorStore {
	readonly #database: Database;
	readonly #id = crypto.randomUUID();
	/** Who had written last when this store read the progress first. A crash of the server can undo all that this store wrote. */
	#writerBefore: string | null = null;
	/** The progress, as this store knows it. */
	#known: Progress = { directory: "", after: "0", readUntilMs: 0, completeUntilMs: 0 };

	constructor(database: Database) {
		this.#database = database;
	}

	async progress(): Promise<Progress | null> {
		const [row] = await this.#database.run(
			(sql) => sql<(Progress & { writer: string })[]>`SELECT writer, directory, after, read_until_ms AS "readUntilMs",
				complete_until_ms AS "completeUntilMs" FROM plc_progress`,
		);
		if (row === undefined) throw new StoreBroken(`${this.#database.place} has lost its row of plc_progress`);
		const { writer, ...progress } = row;
		this.#writerBefore ??= writer;
		this.#checkWriter(writer);
		this.#known = progress;
		return writer === "" ? null : progress;
	}

	async load(dids: ReadonlySet<string>): Promise<Map<string, DidState>> {
		const keys = arrayOf(Array.from(dids, didKeyBytes));
		const rows = await this.#database.run(
			(sql) => sql<StateRow[]>`SELECT did, state FROM plc_did WHERE did = ANY (${keys}::bytea[])`,
		);
		const states = rows.map((row) => decodeState(didOfKeyBytes(row.did), row.state));
		return new Map(states.map((state) => [state.did, state]));
	}

	async write(states: readonly DidState[], progress: Progress): Promise<void> {
		await this.#database.transaction(async (sql) => {
			await this.#writeProgress(sql, progress);
			const statements = UPSERT_STATES.slices(states);
			await Promise.all(Array.from(statements, (values) => sql.unsafe(UPSERT_STATES.text, values, { prepare: true })));
		});
		this.#known = progress;
	}

	close(): Promise<void> {
		return this.#database.close();
	}

	/** The first statement of each write: nothing else happens unless the progress is as this store left it. */
	async #writeProgress(sql: TransactionSql, progress: Progress): Promise<void> {
		const { directory, after, readUntilMs, completeUntilMs } = progress;
		const known = this.#known;
		const written = await sql`UPDATE plc_progress SET writer = ${this.#id}, directory = ${directory}, after = ${after},
			read_until_ms = ${readUntilMs}, complete_until_ms = ${completeUntilMs}
			WHERE writer IN (${this.#writerBefore ?? ""}, ${this.#id}) AND directory = ${known.directory} AND after = ${known.after}
				AND read_until_ms = ${known.readUntilMs} AND complete_until_ms = ${known.completeUntilMs}`;
		if (written.count === 1) return;
		const [row] = await sql<{ writer: string }[]>`SELECT writer FROM plc_progress`;
		this.#checkWriter(row?.writer);
		throw new StoreUnavailable(
			"database-behind",
			`the PLC mirror in ${this.#database.place} is not as it was after the last write: a crash or a failover has undone something, or a write was done that seemed to fail`,
		);
	}

	#checkWriter(writer: string | undefined): void {
		if (writer === this.#id || writer === (this.#writerBefore ?? "")) return;
		throw new StoreBroken(
			`the PLC mirror in ${this.#database.place} was changed meanwhile: something else writes to it`,
		);
	}
}
