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
import { Database } from "./database.ts";
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
export async function openPostgresReader(url: string): Promise<IndexReader> {
	const session = { name: "standpipe reader", settings: { default_transaction_read_only: "on" } };
	const database = new Database(url, session, CONNECTIONS_MAX);
	try {
		await checkSchema(database);
		return new PostgresReader(database);
	} catch (error) {
		await database.close();
		throw error;
	}
}

/** A host's row. What is known of its connection is JSON. */
export type HostColumns = Omit<Host, "connection"> & { connection: string | null };

export function toHost({ connection, ...columns }: HostColumns): Host {
	return { ...columns, connection: connectionFrom(connection === null ? null : JSON.parse(connection)) };
}

export class PostgresReader implements IndexReader {
	protected readonly database: Database;
	readonly #accounts = new Lookups((dids) => this.#accountsUpToDate(dids));
	#seenLsn = 0;
	readonly #identities = new Lookups((dids) => this.#identitiesOf(dids));

	constructor(database: Database) {
		this.database = database;
	}

	get seenLsn(): number {
		return this.#seenLsn;
	}

	account(did: string): Promise<Account | null> {
		return this.#accounts.get(did);
	}

	identity(did: string): Promise<StoredIdentity | null> {
		return this.#identities.get(did);
	}

	async hostByName(hostname: string): Promise<Host | null> {
		const [host] = await this.database.run(
			(sql) => sql<HostColumns[]>`SELECT ${sql.unsafe(HOST_COLUMNS)} FROM host WHERE hostname = ${hostname}`,
		);
		return host === undefined ? null : toHost(host);
	}

	async hosts(afterId: number, limit: number): Promise<Host[]> {
		const hosts = await this.database.run(
			(sql) =>
				sql<
					HostColumns[]
				>`SELECT ${sql.unsafe(HOST_COLUMNS)} FROM host WHERE id > ${afterId} ORDER BY id LIMIT ${limit}`,
		);
		return hosts.map(toHost);
	}

	async repos(afterId: number, limit: number): Promise<Account[]> {
		const accounts = await this.database.run(
			(sql) => sql<Account[]>`SELECT ${sql.unsafe(ACCOUNT_COLUMNS)} FROM account
				WHERE id > ${afterId} AND commit_cid IS NOT NULL ORDER BY id LIMIT ${limit}`,
		);
		return [...accounts];
	}

	async takenDownSince(lsn: number, limit: number): Promise<Takedown[]> {
		const takedowns = await this.database.run(
			(sql) => sql<Takedown[]>`SELECT did, status_lsn AS "takenDownSinceLsn" FROM account
				WHERE taken_down AND status_lsn >= ${lsn} ORDER BY status_lsn DESC LIMIT ${limit}`,
		);
		return [...takedowns];
	}

	async waiting(host: number, afterUs: number, limit: number): Promise<WaitingAccount[]> {
		const waiting = await this.database.run(
			(sql) => sql<WaitingAccount[]>`SELECT did, waiting_since_us AS "sinceUs" FROM account
				WHERE host = ${host} AND waiting_since_us > ${afterUs} ORDER BY waiting_since_us LIMIT ${limit}`,
		);
		return [...waiting];
	}

	async waitingBefore(host: number, sinceUs: number): Promise<number> {
		const [row] = await this.database.run(
			(sql) => sql<{ count: number }[]>`SELECT count(*) AS count FROM account
				WHERE host = ${host} AND waiting_since_us < ${sinceUs}`,
		);
		return row?.count ?? 0;
	}

	async waitingCounts(): Promise<{ host: number; count: number }[]> {
		const counts = await this.database.run(
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
		const actions = await this.database.run(
			(sql) => sql<StoredAction[]>`SELECT lsn, at_ms AS "atMs", address AS "by", action, subject, before, after
				FROM admin_action WHERE lsn < ${beforeLsn} ORDER BY lsn DESC LIMIT ${limit}`,
		);
		return [...actions];
	}

	async checkpoint(): Promise<number> {
		return (await this.#progress()).lsn;
	}

	async hostIdMax(): Promise<number> {
		return (await this.#progress()).hostIdMax;
	}

	close(): Promise<void> {
		return this.database.close();
	}

	/** The accounts of these DIDs that have a row. */
	protected async accountsOf(dids: Iterable<string>): Promise<Map<string, Account>> {
		const accounts = await this.database.run(
			(sql) =>
				sql<Account[]>`SELECT ${sql.unsafe(ACCOUNT_COLUMNS)} FROM account WHERE did = ANY (${arrayOf(dids)}::text[])`,
		);
		return new Map(accounts.map((account) => [account.did, account]));
	}

	/**
	 * The same, with the checkpoint that they belong to.
	 * @throws StoreUnavailable if the database was further before
	 */
	async #accountsUpToDate(dids: Iterable<string>): Promise<Map<string, Account>> {
		const seenLsn = this.#seenLsn;
		// There is one row at least, with nulls if there is no account.
		const rows = await this.database.run(
			(sql) => sql<(Account & { lsn: number })[]>`SELECT lsn, ${sql.unsafe(ACCOUNT_COLUMNS)}
				FROM meta LEFT JOIN account ON did = ANY (${arrayOf(dids)}::text[])`,
		);
		const { place } = this.database;
		const lsn = rows[0]?.lsn;
		if (lsn === undefined) throw new StoreBroken(`${place} has lost its row of meta`);
		if (lsn < seenLsn)
			throw new StoreUnavailable(
				"database-behind",
				`${place} is at record ${lsn} of the log, and was at ${seenLsn} before: it has gone back, or is a standby`,
			);
		this.#seenLsn = Math.max(this.#seenLsn, lsn);
		const accounts = new Map<string, Account>();
		for (const { lsn: _lsn, ...account } of rows) if (account.did !== null) accounts.set(account.did, account);
		return accounts;
	}

	async #identitiesOf(dids: Iterable<string>): Promise<Map<string, StoredIdentity>> {
		const identities = await this.database.run(
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
		const policies = await this.database.run(
			(sql) => sql<{ key: string; value: string }[]>`SELECT key, value FROM policy
				WHERE kind = ${kind} AND key > ${afterKey} ${sql.unsafe(untoldOnly ? "AND NOT told" : "")} ORDER BY key LIMIT ${limit}`,
		);
		return policies.map(({ key, value }) => ({ kind, key, value: JSON.parse(value) }));
	}

	async #progress(): Promise<{ lsn: number; hostIdMax: number }> {
		const [row] = await this.database.run(
			(sql) => sql<{ lsn: number; hostIdMax: number }[]>`SELECT lsn, host_id_max AS "hostIdMax" FROM meta`,
		);
		if (row === undefined) throw new StoreBroken(`${this.database.place} has lost its row of meta`);
		return row;
	}
}
