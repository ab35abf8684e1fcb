import { StoreBroken } from "../store-fault.ts";
import type { Sql, TransactionSql } from "./client.ts";
import type { Database } from "./database.ts";

/**
 * As the tables in SQLite. DIDs are compared by their bytes, which is faster than by a language's rules. Commits change no column that an
 * index needs, and pages have room for new versions of their rows. So PostgreSQL can keep a new version in its row's page, and leave
 * the indexes as they are.
 */
const TABLES = `
CREATE TABLE host (
	id bigint PRIMARY KEY,
	cursor bigint,
	gaps bigint NOT NULL,
	account_count bigint NOT NULL,
	insecure boolean NOT NULL,
	hostname text COLLATE "C" NOT NULL UNIQUE,
	status text NOT NULL,
	last_gap text,
	connection text
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02);

CREATE TABLE account (
	id bigint PRIMARY KEY,
	host bigint NOT NULL,
	host_seq bigint NOT NULL,
	last_time_ms bigint NOT NULL,
	status_lsn bigint NOT NULL,
	waiting_since_us bigint,
	upstream_active boolean NOT NULL,
	taken_down boolean NOT NULL,
	did text COLLATE "C" NOT NULL UNIQUE,
	upstream_status text,
	local_status text,
	rev text,
	commit_cid bytea,
	data_cid bytea
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02);

CREATE INDEX account_taken_down ON account (status_lsn) WHERE taken_down;

CREATE INDEX account_waiting ON account (host, waiting_since_us) WHERE waiting_since_us IS NOT NULL;

CREATE TABLE identity (
	did text COLLATE "C" PRIMARY KEY,
	resolved_at_ms bigint NOT NULL,
	tombstoned boolean NOT NULL,
	signing_key text,
	pds text
) WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.02);

CREATE TABLE policy (
	kind text COLLATE "C" NOT NULL,
	key text COLLATE "C" NOT NULL,
	value text NOT NULL,
	told boolean NOT NULL,
	PRIMARY KEY (kind, key)
);

CREATE INDEX policy_untold ON policy (kind, key) WHERE NOT told;

CREATE TABLE admin_action (
	lsn bigint PRIMARY KEY,
	at_ms bigint NOT NULL,
	address text NOT NULL,
	action text NOT NULL,
	subject text NOT NULL,
	before text NOT NULL,
	after text NOT NULL
);

CREATE TABLE meta (
	one boolean PRIMARY KEY DEFAULT true CHECK (one),
	schema_version bigint NOT NULL,
	lsn bigint NOT NULL DEFAULT 0,
	host_id_max bigint NOT NULL DEFAULT 0,
	log_id text,
	writer text
);
`;

/** Each leads from one version to the next, the first one from nothing. Never edit one that was released. */
const STEPS: readonly string[] = [TABLES];

/** The present version. A database of a newer version is refused. */
export const SCHEMA_VERSION = STEPS.length;

/** The database holds no index, or one of another version of the schema. */
export class SchemaError extends StoreBroken {
	override readonly name = "SchemaError";
}

/**
 * Checks that this program can use the database.
 * @throws SchemaError
 */
export async function checkSchema(database: Database): Promise<void> {
	const found = await database.run(schemaVersion);
	if (found === SCHEMA_VERSION) return;
	const what =
		typeof found === "number"
			? `holds an index of schema version ${found}`
			: "holds no index, but another program's tables";
	throw new SchemaError(
		found === 0
			? `${database.place} holds no index`
			: `${database.place} ${what}; this program uses schema version ${SCHEMA_VERSION}`,
	);
}

/**
 * Makes the tables in an empty database. Any other database must have them as they are now. The caller holds the writer's lock.
 * @throws SchemaError
 */
export async function createSchema(database: Database): Promise<void> {
	if ((await database.run(schemaVersion)) === 0) await ensureSchema(database);
	else await checkSchema(database);
}

/**
 * Makes the tables in an empty database, and brings those of an older version up to the present one. The caller holds the writer's lock.
 * @throws SchemaError for another program's tables, or a newer version
 */
export async function ensureSchema(database: Database): Promise<void> {
	await database.transaction(async (sql) => {
		const from = await schemaVersion(sql);
		if (from === "foreign" || from >= SCHEMA_VERSION) return;
		await makeDurable(sql);
		for (const step of STEPS.slice(from)) await sql.unsafe(step);
		if (from === 0) await sql`INSERT INTO meta (schema_version) VALUES (${SCHEMA_VERSION})`;
		else await sql`UPDATE meta SET schema_version = ${SCHEMA_VERSION}`;
	});
	await checkSchema(database);
}

/** Has the commit wait until a crash of the server can't undo the transaction, nor any before it. Sessions of the writer do not wait. */
export async function makeDurable(sql: TransactionSql): Promise<void> {
	await sql`SELECT set_config('synchronous_commit', 'on', true)`;
}

/** 0 if the database's schema is empty. */
async function schemaVersion(sql: Sql | TransactionSql): Promise<number | "foreign"> {
	const [found] = await sql<{ hasMeta: boolean; tables: number }[]>`
		SELECT
			EXISTS (SELECT FROM pg_catalog.pg_attribute
				WHERE attrelid = to_regclass('meta') AND attname = 'schema_version') AS "hasMeta",
			(SELECT count(*) FROM pg_catalog.pg_tables WHERE schemaname = current_schema()) AS tables`;
	if (found?.hasMeta !== true) return found?.tables === 0 ? 0 : "foreign";
	const [meta] = await sql<{ version: number }[]>`SELECT schema_version AS version FROM meta`;
	return meta?.version ?? "foreign";
}
