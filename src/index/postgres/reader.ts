import { connectionFrom } from "../../log/record/host-connection.ts";
import type { PolicyKind } from "../../log/record/policy-facts.ts";
import type {
	Account,
	Host,
	IndexReader,
	Policy,
	StoredAction,
	StoredIdentity,
	Takedown,
	WaitingAccount,
} from "../store.ts";
import { StoreBroken, StoreUnavailable } from "../store-fault.ts";
import type { Sql } from "./client.ts";
import { Database, opened } from "./database.ts";
import { Lookups } from "./lookups.ts";
import { arrayOf } from "./rows.ts";
import { checkSchema } from "./schema.ts";

/** Connections of each thread that reads. */
const CONNECTIONS_MAX = 2;

export const HOST_COLUMNS = `id, hostname, insecure, status, cursor, gaps, last_gap AS "lastGap", account_count AS "accountCount",
	connection`;
export const ACCOUNT_COLUMNS = `id, did, host, host_seq AS "hostSeq", last_time_ms AS "lastTimeMs", upstream_active AS "upstreamActive",
	upstream_status AS "upstreamStatus", local_status AS "localStatus", waiting_since_us AS "waitingSinceUs",
	status_lsn AS "statusLsn", rev, commit_cid AS "commit",
	data_cid AS data`;
const IDENTITY_COLUMNS = `did, signing_key AS "signingKey", pds, tombstoned, resolved_at_ms AS "resolvedAtMs"`;

/**
 * Opens the index for reading. The writer must have been opened before, since it makes the tables.
 * @throws SchemaError if the database is not an index of this program's schema version
 */
export async function openPostgresReader(url: string, appliedLsn: () => number): Promise<IndexReader> {
	const session = { name: "standpipe reader", settings: { default_transaction_read_only: "on" } };
	const database = new Database(url, session, CONNECTIONS_MAX);
	return await opened(database, async () => {
		await checkSchema(database);
		return new PostgresReader(database, appliedLsn);
	});
}

/** A host's row. What is known of its connection is JSON. */
export type HostColumns = Omit<Host, "connection"> & { connection: string | null };

export function toHost({ connection, ...columns }: HostColumns): Host {
	return { ...columns, connection: connectionFrom(connection === null ? null : JSON.parse(connection)) };
}

export class PostgresReader implements IndexReader {
	protected readonly database: Database;
	readonly #appliedLsn: () => number;
	readonly #accounts = new Lookups((dids) => this.accountsOf(dids));
	readonly #identities = new Lookups((dids) => this.#identitiesOf(dids));

	/** @param appliedLsn what every answer must contain, as `openIndexReader` says */
	constructor(database: Database, appliedLsn: () => number) {
		this.database = database;
		this.#appliedLsn = appliedLsn;
	}

	account(did: string): Promise<Account | null> {
		return this.#accounts.get(did);
	}

	identity(did: string): Promise<StoredIdentity | null> {
		return this.#identities.get(did);
	}

	async hostByName(hostname: string): Promise<Host | null> {
		const [host] = await this.#read(
			(sql) => sql<HostColumns[]>`SELECT ${sql.unsafe(HOST_COLUMNS)} FROM host WHERE hostname = ${hostname}`,
		);
		return host === undefined ? null : toHost(host);
	}

	async hosts(afterId: number, limit: number): Promise<Host[]> {
		const hosts = await this.#read(
			(sql) =>
				sql<
					HostColumns[]
				>`SELECT ${sql.unsafe(HOST_COLUMNS)} FROM host WHERE id > ${afterId} ORDER BY id LIMIT ${limit}`,
		);
		return hosts.map(toHost);
	}

	async repos(afterId: number, limit: number): Promise<Account[]> {
		const accounts = await this.#read(
			(sql) => sql<Account[]>`SELECT ${sql.unsafe(ACCOUNT_COLUMNS)} FROM account
				WHERE id > ${afterId} AND commit_cid IS NOT NULL ORDER BY id LIMIT ${limit}`,
		);
		return [...accounts];
	}

	async takenDownSince(lsn: number, limit: number): Promise<Takedown[]> {
		const takedowns = await this.#read(
			(sql) => sql<Takedown[]>`SELECT did, status_lsn AS "takenDownSinceLsn" FROM account
				WHERE taken_down AND status_lsn >= ${lsn} ORDER BY status_lsn DESC LIMIT ${limit}`,
		);
		return [...takedowns];
	}

	async waiting(host: number, afterUs: number, limit: number): Promise<WaitingAccount[]> {
		const waiting = await this.#read(
			(sql) => sql<WaitingAccount[]>`SELECT did, waiting_since_us AS "sinceUs" FROM account
				WHERE host = ${host} AND waiting_since_us > ${afterUs} ORDER BY waiting_since_us LIMIT ${limit}`,
		);
		return [...waiting];
	}

	async waitingBefore(host: number, sinceUs: number): Promise<number> {
		const [row] = await this.#read(
			(sql) => sql<{ count: number }[]>`SELECT count(*) AS count FROM account
				WHERE host = ${host} AND waiting_since_us < ${sinceUs}`,
		);
		return row?.count ?? 0;
	}

	async waitingCounts(): Promise<{ host: number; count: number }[]> {
		const counts = await this.#read(
			(sql) => sql<{ host: number; count: number }[]>`SELECT host, count(*) AS count FROM account
				WHERE waiting_since_us IS NOT NULL GROUP BY host`,
		);
		return [...counts];
	}

	policies<K extends PolicyKind>(kind: K, afterKey: string, limit: number): Promise<Policy<K>[]> {
		return this.#policies(kind, afterKey, limit, false);
	}

	untoldPolicies<K extends PolicyKind>(kind: K, afterKey: string, limit: number): Promise<Policy<K>[]> {
		return this.#policies(kind, afterKey, limit, true);
	}

	async actions(beforeLsn: number, limit: number): Promise<StoredAction[]> {
		const actions = await this.#read(
			(sql) => sql<StoredAction[]>`SELECT lsn, at_ms AS "atMs", address AS "by", action, subject, before, after
				FROM admin_action WHERE lsn < ${beforeLsn} ORDER BY lsn DESC LIMIT ${limit}`,
		);
		return [...actions];
	}

	/** Whatever the index has applied before: a database that has gone back says so here. */
	async checkpoint(): Promise<number> {
		const [row] = await this.database.run((sql) => sql<{ lsn: number }[]>`SELECT lsn FROM meta`);
		if (row === undefined) throw new StoreBroken(`${this.database.place} has lost its row of meta`);
		return row.lsn;
	}

	async hostIdMax(): Promise<number> {
		const [row] = await this.#read((sql) => sql<{ hostIdMax: number }[]>`SELECT host_id_max AS "hostIdMax" FROM meta`);
		return row?.hostIdMax ?? 0;
	}

	close(): Promise<void> {
		return this.database.close();
	}

	/** The accounts of these DIDs that have a row. */
	protected async accountsOf(dids: Iterable<string>): Promise<Map<string, Account>> {
		const accounts = await this.#read(
			(sql) =>
				sql<Account[]>`SELECT ${sql.unsafe(ACCOUNT_COLUMNS)} FROM account WHERE did = ANY (${arrayOf(dids)}::text[])`,
		);
		return new Map(accounts.map((account) => [account.did, account]));
	}

	async #identitiesOf(dids: Iterable<string>): Promise<Map<string, StoredIdentity>> {
		const identities = await this.#read(
			(sql) =>
				sql<
					StoredIdentity[]
				>`SELECT ${sql.unsafe(IDENTITY_COLUMNS)} FROM identity WHERE did = ANY (${arrayOf(dids)}::text[])`,
		);
		return new Map(identities.map((identity) => [identity.did, identity]));
	}

	async #policies<K extends PolicyKind>(
		kind: K,
		afterKey: string,
		limit: number,
		untoldOnly: boolean,
	): Promise<Policy<K>[]> {
		const policies = await this.#read(
			(sql) => sql<{ key: string; value: string }[]>`SELECT key, value FROM policy
				WHERE kind = ${kind} AND key > ${afterKey} ${sql.unsafe(untoldOnly ? "AND NOT told" : "")} ORDER BY key LIMIT ${limit}`,
		);
		return policies.map(({ key, value }) => ({ kind, key, value: JSON.parse(value) }));
	}

	/**
	 * Executes one statement.
	 * @throws StoreUnavailable if the database has gone back before what the index has applied
	 */
	async #read<Rows>(statement: (sql: Sql) => Promise<Rows>): Promise<Rows> {
		const appliedLsn = this.#appliedLsn();
		// Both go over one connection, in this order. A crash of the server between them would have ended it.
		const [lsn, rows] = await this.database.run((sql) =>
			Promise.all([sql<{ lsn: number }[]>`SELECT lsn FROM meta`.then(([meta]) => meta?.lsn ?? null), statement(sql)]),
		);
		const { place } = this.database;
		if (lsn === null) throw new StoreBroken(`${place} has lost its row of meta`);
		if (lsn < appliedLsn)
			throw new StoreUnavailable(
				"database-behind",
				`${place} is at record ${lsn} of the log, and was at ${appliedLsn} before: it has gone back, or is a standby`,
			);
		return rows;
	}
}
