// plc/sqlite/: the mirror's tables in an SQLite file of their own. It knows rows, and no rules of did:plc.

import type { Database, Statement } from "bun:sqlite";
import { openForReading, openForWriting } from "../../index/sqlite/connection.ts";
import { DatabaseFiles } from "../../index/sqlite/database-files.ts";
import { StoreBroken } from "../../index/store-fault.ts";
import type { DidState } from "../chain.ts";
import { decodeData, decodeState, didKeyBytes, encodeState } from "../state-codec.ts";
import type { Mirrored, MirrorReader, MirrorStore, Progress } from "../store.ts";

const SCHEMA_VERSION = 1;

const TABLES = `
	CREATE TABLE plc_did (did BLOB PRIMARY KEY, state BLOB NOT NULL) WITHOUT ROWID, STRICT;
	CREATE TABLE plc_progress (
		id INTEGER PRIMARY KEY CHECK (id = 1),
		writer TEXT NOT NULL,
		directory TEXT NOT NULL,
		after TEXT NOT NULL,
		read_until_ms INTEGER NOT NULL,
		complete_until_ms INTEGER NOT NULL
	) STRICT;`;

const SELECT_PROGRESS = `SELECT writer, directory, after, read_until_ms AS readUntilMs, complete_until_ms AS completeUntilMs
	FROM plc_progress`;
const UPSERT_PROGRESS = `INSERT INTO plc_progress (id, writer, directory, after, read_until_ms, complete_until_ms)
	VALUES (1, ?, ?, ?, ?, ?)
	ON CONFLICT (id) DO UPDATE SET writer = excluded.writer, directory = excluded.directory, after = excluded.after,
		read_until_ms = excluded.read_until_ms, complete_until_ms = excluded.complete_until_ms
	WHERE plc_progress.writer IN (?, excluded.writer)`;
const UPSERT_STATE =
	"INSERT INTO plc_did (did, state) VALUES (?, ?) ON CONFLICT (did) DO UPDATE SET state = excluded.state";

/**
 * Opens the mirror for writing, and makes it if it is absent.
 * @throws StoreBroken if the file holds something else
 */
export function openSqliteMirror(path: string): Promise<MirrorStore> {
	return DatabaseFiles.at(path).attempt(() =>
		// What a power cut undoes is asked for again, since the progress is undone with it.
		openForWriting(path, (database) => {
			ensureSchema(database);
			return new SqliteMirrorStore(database);
		}),
	);
}

/**
 * Opens the mirror for reading. The writer must have been opened before, since it makes the tables.
 * @throws StoreBroken if the file holds something else
 */
export function openSqliteMirrorReader(path: string): Promise<MirrorReader> {
	return DatabaseFiles.at(path).attempt(() =>
		openForReading(path, (database) => {
			checkSchema(database);
			return new SqliteMirrorReader(database);
		}),
	);
}

function ensureSchema(database: Database): void {
	const create = database.transaction(() => {
		const tables = database.query<{ count: number }, []>("SELECT count(*) AS count FROM sqlite_schema").get();
		if (tables?.count !== 0) return;
		database.run(TABLES);
		database.run(`PRAGMA user_version = ${SCHEMA_VERSION}`);
	});
	create.immediate();
	checkSchema(database);
}

function checkSchema(database: Database): void {
	const found = database.query<{ user_version: number }, []>("PRAGMA user_version").get()?.user_version;
	if (found !== SCHEMA_VERSION)
		throw new StoreBroken(
			`${database.filename} is no PLC mirror of this release: move it away, and the relay fetches it again from the directory`,
		);
}

class SqliteMirrorReader implements MirrorReader {
	readonly #database: Database;
	readonly #files: DatabaseFiles;
	readonly #find: Statement<{ state: Uint8Array; completeUntilMs: number }, [Uint8Array]>;

	constructor(database: Database) {
		this.#database = database;
		this.#files = DatabaseFiles.at(database.filename);
		this.#find = database.prepare(
			"SELECT state, complete_until_ms AS completeUntilMs FROM plc_did, plc_progress WHERE did = ?",
		);
	}

	find(did: string): Promise<Mirrored | null> {
		return this.#files.attempt(() => {
			const row = this.#find.get(didKeyBytes(did));
			const data = row && decodeData(row.state);
			return row && data && { data, completeUntilMs: row.completeUntilMs };
		});
	}

	async close(): Promise<void> {
		this.#database.close();
	}
}

class SqliteMirrorStore implements MirrorStore {
	readonly #database: Database;
	readonly #files: DatabaseFiles;
	readonly #progress: Statement<Progress & { writer: string }, []>;
	readonly #state: Statement<{ state: Uint8Array }, [Uint8Array]>;
	readonly #upsertState: Statement<void, [Uint8Array, Uint8Array]>;
	readonly #upsertProgress: Statement<void, [string, string, string, number, number, string]>;
	readonly #loadAtOnce: (dids: ReadonlySet<string>) => Map<string, DidState>;
	readonly #writeAtOnce: (states: readonly DidState[], progress: Progress) => void;
	readonly #id = crypto.randomUUID();
	/** Who has written last, as this store knows it. */
	#writer = "";

	constructor(database: Database) {
		this.#database = database;
		this.#files = DatabaseFiles.at(database.filename);
		this.#progress = database.prepare(SELECT_PROGRESS);
		this.#state = database.prepare("SELECT state FROM plc_did WHERE did = ?");
		this.#upsertState = database.prepare(UPSERT_STATE);
		this.#upsertProgress = database.prepare(UPSERT_PROGRESS);
		this.#loadAtOnce = database.transaction((dids: ReadonlySet<string>) => this.#load(dids)).deferred;
		this.#writeAtOnce = database.transaction((states: readonly DidState[], progress: Progress) =>
			this.#write(states, progress),
		).immediate;
	}

	progress(): Promise<Progress | null> {
		return this.#files.attempt(() => {
			const row = this.#progress.get();
			if (row === null) return null;
			const { writer, ...progress } = row;
			this.#writer = writer;
			return progress;
		});
	}

	load(dids: ReadonlySet<string>): Promise<Map<string, DidState>> {
		return this.#files.attempt(() => this.#loadAtOnce(dids));
	}

	async write(states: readonly DidState[], progress: Progress): Promise<void> {
		await this.#files.attempt(() => this.#writeAtOnce(states, progress));
		this.#writer = this.#id;
	}

	async close(): Promise<void> {
		this.#database.close();
	}

	#load(dids: ReadonlySet<string>): Map<string, DidState> {
		const states = new Map<string, DidState>();
		for (const did of dids) {
			const row = this.#state.get(didKeyBytes(did));
			if (row !== null) states.set(did, decodeState(did, row.state));
		}
		return states;
	}

	#write(states: readonly DidState[], { directory, after, readUntilMs, completeUntilMs }: Progress): void {
		const values = [directory, after, readUntilMs, completeUntilMs] as const;
		const written = this.#upsertProgress.run(this.#id, ...values, this.#writer);
		if (written.changes !== 1)
			throw new StoreBroken(`${this.#database.filename} was changed meanwhile: something else writes to it`);
		for (const state of states) this.#upsertState.run(didKeyBytes(state.did), encodeState(state));
	}
}
