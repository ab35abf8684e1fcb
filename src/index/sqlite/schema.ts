import type { Database } from "bun:sqlite";
import { StoreBroken } from "../store-fault.ts";

/**
 * `policy` is what the operator has set, by kind and key; `value` is JSON. `told` is 1 once a record of the log has said it.
 * `admin_action` is the audit log.
 */
const POLICY_TABLES = `
CREATE TABLE policy (
	kind TEXT NOT NULL,
	key TEXT NOT NULL,
	value TEXT NOT NULL,
	told INTEGER NOT NULL,
	PRIMARY KEY (kind, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX policy_untold ON policy (kind, key) WHERE told = 0;

CREATE TABLE admin_action (
	lsn INTEGER PRIMARY KEY,
	at_ms INTEGER NOT NULL,
	address TEXT NOT NULL,
	action TEXT NOT NULL,
	subject TEXT NOT NULL,
	before TEXT NOT NULL,
	after TEXT NOT NULL
) STRICT;
`;

/** Finds the accounts that wait for room in their host's account limit, in their order. */
const WAITING_INDEX =
	"CREATE INDEX account_waiting ON account (host, waiting_since_us) WHERE waiting_since_us IS NOT NULL";

/**
 * DIDs are text, CIDs are binary. Accounts have a rowid because it is their paging key and keeps the index of DIDs small. Identities
 * are looked up by DID only, so they need no rowid. A host's `connection` is JSON, or null if nothing is known of it: no statement
 * selects by what is in it. `taken_down` is the result of `isTakenDown` for the row. It is stored so that the
 * fan-out finds the accounts that were taken down since an lsn without a scan of the table.
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
	account_count INTEGER NOT NULL,
	connection TEXT
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
	waiting_since_us INTEGER,
	status_lsn INTEGER NOT NULL,
	taken_down INTEGER NOT NULL,
	rev TEXT,
	commit_cid BLOB,
	data_cid BLOB
) STRICT;

CREATE INDEX account_taken_down ON account (status_lsn) WHERE taken_down = 1;
${WAITING_INDEX};

CREATE TABLE identity (
	did TEXT PRIMARY KEY,
	signing_key TEXT,
	pds TEXT,
	tombstoned INTEGER NOT NULL,
	resolved_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

${POLICY_TABLES}
CREATE TABLE checkpoint (
	only INTEGER PRIMARY KEY CHECK (only = 1),
	lsn INTEGER NOT NULL,
	host_id_max INTEGER NOT NULL,
	log_id TEXT
) STRICT;
INSERT INTO checkpoint (only, lsn, host_id_max) VALUES (1, 0, 0);
`;

type Migration = (database: Database) => void;

/** The oldest version that can be brought up to the present one. */
export const SCHEMA_VERSION_MIN = 2;

/** Each leads from one version to the next, beginning with `SCHEMA_VERSION_MIN`. Never edit one that was released. */
const MIGRATIONS: readonly Migration[] = [
	(database) => {
		database.run("ALTER TABLE host DROP COLUMN seq_max");
		database.run("ALTER TABLE account ADD COLUMN last_time_ms INTEGER NOT NULL DEFAULT 0");
	},
	(database) => {
		database.run("ALTER TABLE checkpoint ADD COLUMN host_id_max INTEGER NOT NULL DEFAULT 0");
		database.run(`UPDATE checkpoint SET host_id_max =
			max((SELECT coalesce(max(id), 0) FROM host), (SELECT coalesce(max(host), 0) FROM account))`);
		// These rows were placeholders for hosts whose own rows were lost.
		database.run("DELETE FROM host WHERE hostname = 'host-' || id || '.invalid'");
	},
	(database) => {
		database.run("ALTER TABLE account ADD COLUMN taken_down INTEGER NOT NULL DEFAULT 0");
		database.run(`UPDATE account SET taken_down = 1 WHERE (local_status IN ('takendown', 'suspended', 'deleted')
			OR (upstream_active = 0 AND upstream_status IN ('takendown', 'suspended', 'deleted')))`);
		database.run("DROP INDEX account_taken_down");
		database.run("CREATE INDEX account_taken_down ON account (status_seq) WHERE taken_down = 1");
	},
	(database) => {
		// Some databases of versions 4 and 5 have these columns, some don't.
		if (!hasColumn(database, "host", "gaps"))
			database.run("ALTER TABLE host ADD COLUMN gaps INTEGER NOT NULL DEFAULT 0");
		if (!hasColumn(database, "host", "last_gap")) database.run("ALTER TABLE host ADD COLUMN last_gap TEXT");
		database.run("ALTER TABLE checkpoint ADD COLUMN log_id TEXT");
	},
	(database) => {
		// Up to version 6, the log had no lsns: a record's seq was its address.
		database.run("ALTER TABLE account RENAME COLUMN status_seq TO status_lsn");
		database.run("ALTER TABLE checkpoint RENAME COLUMN seq TO lsn");
	},
	(database) => {
		database.run(POLICY_TABLES);
		// Up to version 7, local statuses were not in the log. The start tells it what is untold.
		database.run(`INSERT INTO policy (kind, key, value, told)
			SELECT 'localStatus', did, json_object('status', local_status), 0 FROM account WHERE local_status IS NOT NULL`);
		database.run("ALTER TABLE host ADD COLUMN connection TEXT");
		database.run("ALTER TABLE account ADD COLUMN waiting_since_us INTEGER");
		database.run(WAITING_INDEX);
	},
];

/** The present version. A database of a newer version, or of one before `SCHEMA_VERSION_MIN`, is refused. */
export const SCHEMA_VERSION = SCHEMA_VERSION_MIN + MIGRATIONS.length;

/** The database has another version of the schema, or is no index. */
export class SchemaError extends StoreBroken {
	override readonly name = "SchemaError";
}

/** Version of the schema in `database`; 0 if it has none yet. */
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
 * Makes the tables in an empty database. Any other database must have them as they are now.
 * @throws SchemaError
 */
export function createSchema(database: Database): void {
	if (isEmpty(database)) ensureSchema(database);
	else checkSchema(database);
}

/**
 * Makes the tables in an empty database, and migrates those of an older version.
 * @throws SchemaError for a version that can't be migrated
 */
export function ensureSchema(database: Database): void {
	const create = database.transaction(() => {
		if (isEmpty(database)) {
			database.run(TABLES);
			database.run(`PRAGMA user_version = ${SCHEMA_VERSION}`);
		} else migrate(database);
	});
	create.immediate();
	checkSchema(database);
}

function isEmpty(database: Database): boolean {
	const tables = database.query<{ count: number }, []>("SELECT count(*) AS count FROM sqlite_schema").get();
	return tables?.count === 0;
}

function migrate(database: Database): void {
	const from = schemaVersion(database);
	if (from < SCHEMA_VERSION_MIN || from > SCHEMA_VERSION) return;
	for (const step of MIGRATIONS.slice(from - SCHEMA_VERSION_MIN)) step(database);
	database.run(`PRAGMA user_version = ${SCHEMA_VERSION}`);
}

function hasColumn(database: Database, table: string, column: string): boolean {
	const find = "SELECT 1 FROM pragma_table_info(?) WHERE name = ?";
	return database.query<unknown, [string, string]>(find).get(table, column) !== null;
}
