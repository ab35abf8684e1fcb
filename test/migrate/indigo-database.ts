import { Database } from "bun:sqlite";
import postgres from "postgres";

/** Rows of indigo's database, as far as a migration reads them. Whole numbers are bigints, since hosts choose some of them. */
export interface IndigoState {
	hosts: {
		id: number;
		hostname: string;
		noSsl: boolean;
		accountLimit: bigint;
		status: string;
		lastSeq: bigint;
		createdAt: string;
	}[];
	accounts: {
		uid: number;
		did: string;
		hostId: number;
		status: string;
		upstreamStatus: string;
		/** Null for an account of which no commit has come. */
		repo: { rev: string; commit: string; data: string } | null;
	}[];
	domainBans: { domain: string; createdAt: string }[];
	/** First seqs of its files. */
	files: number[];
}

/** Makes the tables of `cmd/relay` in a new SQLite file, and fills them. */
export async function writeIndigoSqlite(path: string, state: IndigoState): Promise<void> {
	const database = new Database(path, { create: true });
	database.run("PRAGMA journal_mode = WAL");
	database.transaction(() => {
		for (const statement of [...tables("integer PRIMARY KEY AUTOINCREMENT", "datetime"), ...inserts(state)])
			database.run(statement);
	})();
	database.close();
}

/** The same in an empty PostgreSQL database. */
export async function writeIndigoPostgres(url: string, state: IndigoState): Promise<void> {
	const sql = postgres(url, { max: 1, fetch_types: false, onnotice: () => {} });
	for (const statement of [...tables("bigserial PRIMARY KEY", "timestamptz"), ...inserts(state)])
		await sql.unsafe(statement);
	await sql.end();
}

function tables(id: string, time: string): string[] {
	return [
		`CREATE TABLE host (id ${id}, created_at ${time}, updated_at ${time}, hostname text NOT NULL UNIQUE, no_ssl boolean DEFAULT false,
			account_limit bigint, trusted boolean DEFAULT false, status text DEFAULT 'active', last_seq bigint DEFAULT -1,
			account_count bigint DEFAULT 0, account_limit_alerts_silenced boolean DEFAULT false,
			account_limit_alert_state text DEFAULT 'ok', account_limit_alert_sent_at ${time})`,
		`CREATE TABLE account (uid ${id}, did text NOT NULL UNIQUE, host_id bigint NOT NULL, status text NOT NULL DEFAULT 'active',
			upstream_status text NOT NULL DEFAULT 'active')`,
		"CREATE TABLE account_repo (uid bigint PRIMARY KEY, rev text NOT NULL, commit_cid text NOT NULL, commit_data_cid text NOT NULL)",
		`CREATE TABLE domain_bans (id ${id}, created_at ${time}, domain text UNIQUE)`,
		`CREATE TABLE log_file_refs (id ${id}, created_at ${time}, updated_at ${time}, deleted_at ${time}, path text, archived boolean,
			seq_start bigint)`,
	];
}

function inserts({ hosts, accounts, domainBans, files }: IndigoState): string[] {
	return [
		...insert(
			"host (id, created_at, hostname, no_ssl, account_limit, status, last_seq)",
			hosts.map((row) => [
				...[row.id, row.createdAt, row.hostname, row.noSsl],
				...[row.accountLimit, row.status, row.lastSeq],
			]),
		),
		...insert(
			"account (uid, did, host_id, status, upstream_status)",
			accounts.map(({ uid, did, hostId, status, upstreamStatus }) => [uid, did, hostId, status, upstreamStatus]),
		),
		...insert(
			"account_repo (uid, rev, commit_cid, commit_data_cid)",
			accounts.flatMap(({ uid, repo }) => (repo === null ? [] : [[uid, repo.rev, repo.commit, repo.data]])),
		),
		...insert(
			"domain_bans (created_at, domain)",
			domainBans.map(({ createdAt, domain }) => [createdAt, domain]),
		),
		...insert(
			"log_file_refs (path, archived, seq_start)",
			files.map((seq) => [`evts-${seq}`, false, seq]),
		),
	];
}

type Literal = string | number | bigint | boolean;

function insert(into: string, rows: readonly Literal[][]): string[] {
	if (rows.length === 0) return [];
	return [`INSERT INTO ${into} VALUES ${rows.map((row) => `(${row.map(literal).join(", ")})`).join(", ")}`];
}

function literal(value: Literal): string {
	return typeof value === "string" ? `'${value.replaceAll("'", "''")}'` : String(value);
}
