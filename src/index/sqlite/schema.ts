import type { Database } from "bun:sqlite";
import { StoreBroken } from "../store-fault.ts";

/** Raised with every change to the tables. A database of a version that no migration leads from is refused. */
export const SCHEMA_VERSION = 5;

/**
 * DIDs are text, CIDs are binary. Accounts have a rowid since it is their paging key and keeps the DID index small;
 * identities are looked up by DID only, so they live in that index themselves. `taken_down` is what `isTakenDown` says of
 * the row, stored since SQL can't ask it: so the fan-out finds these accounts, by the time of that, without looking at all.
 */
const TABLES = `
CREATE TABLE host (
	id INTEGER PRIMARY KEY,
	hostname TEXT NOT NULL UNIQUE,
	insecure INTEGER NOT NULL,
	status TEXT NOT NULL,
	cursor INTEGER,
	gaps INTEGER NOT NULL,
	last_gap TEXT,
	account_count INTEGER NOT NULL
) STRICT;

CREATE TABLE account (
	id INTEGER PRIMARY KEY,
	did TEXT NOT NULL UNIQUE,
	host INTEGER NOT NULL,
	host_seq INTEGER NOT NULL,
	last_time_ms INTEGER NOT NULL,
	upstream_active INTEGER NOT NULL,
	upstream_status TEXT,
	local_status TEXT,
	status_seq INTEGER NOT NULL,
	taken_down INTEGER NOT NULL,
	rev TEXT,
	commit_cid BLOB,
	data_cid BLOB
) STRICT;

CREATE INDEX account_taken_down ON account (status_seq) WHERE taken_down = 1;

CREATE TABLE identity (
	did TEXT PRIMARY KEY,
	signing_key TEXT,
	pds TEXT,
	tombstoned INTEGER NOT NULL,
	resolved_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE checkpoint (
	only INTEGER PRIMARY KEY CHECK (only = 1),
	seq INTEGER NOT NULL,
	host_id_max INTEGER NOT NULL
) STRICT;
INSERT INTO checkpoint (only, seq, host_id_max) VALUES (1, 0, 0);
`;

/** By the version that they lead from, the steps to the next one. */
const MIGRATIONS: ReadonlyMap<number, string> = new Map([
	[
		2,
		`ALTER TABLE host DROP COLUMN seq_max;
		ALTER TABLE host ADD COLUMN gaps INTEGER NOT NULL DEFAULT 0;
		ALTER TABLE host ADD COLUMN last_gap TEXT;
		ALTER TABLE account ADD COLUMN last_time_ms INTEGER NOT NULL DEFAULT 0;`,
	],
	[
		3,
		`ALTER TABLE checkpoint ADD COLUMN host_id_max INTEGER NOT NULL DEFAULT 0;
		UPDATE checkpoint SET host_id_max =
			max((SELECT coalesce(max(id), 0) FROM host), (SELECT coalesce(max(host), 0) FROM account));
		-- Rows that stood for hosts whose real ones were lost.
		DELETE FROM host WHERE hostname = 'host-' || id || '.invalid';`,
	],
	[
		4,
		`ALTER TABLE account ADD COLUMN taken_down INTEGER NOT NULL DEFAULT 0;
		UPDATE account SET taken_down = 1 WHERE (local_status IN ('takendown', 'suspended', 'deleted')
			OR (upstream_active = 0 AND upstream_status IN ('takendown', 'suspended', 'deleted')));
		DROP INDEX account_taken_down;
		CREATE INDEX account_taken_down ON account (status_seq) WHERE taken_down = 1;`,
	],
]);

/** The database was not made by this version of the schema. */
export class SchemaError extends StoreBroken {
	override readonly name = "SchemaError";
}

/** Version of the schema in `database`; 0 where there is none yet. */
function schemaVersion(database: Database): number {
	const row = database.query<{ user_version: number }, []>("PRAGMA user_version").get();
	return row?.user_version ?? 0;
}

/**
 * Checks that this program can use the database.
 * @throws SchemaError
 */
export function checkSchema(database: Database): void {
	const found = schemaVersion(database);
	if (found === SCHEMA_VERSION) return;
	const what = found === 0 ? "holds no index" : `holds an index of schema version ${found}`;
	throw new SchemaError(`${database.filename} ${what}; this program uses schema version ${SCHEMA_VERSION}`);
}

/**
 * Makes the tables in an empty database, and brings those of an older version up to this one.
 * @throws SchemaError for a database of a version that there is no way from
 */
export function ensureSchema(database: Database): void {
	const create = database.transaction(() => {
		const tables = database.query<{ count: number }, []>("SELECT count(*) AS count FROM sqlite_schema").get();
		if (tables?.count === 0) {
			database.run(TABLES);
			database.run(`PRAGMA user_version = ${SCHEMA_VERSION}`);
		} else migrate(database);
	});
	create.immediate();
	checkSchema(database);
}

function migrate(database: Database): void {
	let version = schemaVersion(database);
	for (let steps = MIGRATIONS.get(version); steps !== undefined; steps = MIGRATIONS.get(version)) {
		database.run(steps);
		database.run(`PRAGMA user_version = ${++version}`);
	}
}
