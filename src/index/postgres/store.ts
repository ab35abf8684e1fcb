// index/postgres/: the store in a PostgreSQL server. It knows rows, and nothing of the log's records.

import { DELETED } from "../../account/status.ts";
import { LoadedRows } from "../loaded-rows.ts";
import {
	ACTIONS_MAX,
	type Account,
	type AccountRow,
	type Host,
	type PolicyChange,
	type RowChanges,
	type RowKeys,
	type RowSource,
	type Span,
	type Store,
	type StoredAction,
} from "../store.ts";
import { StoreBroken, StoreUnavailable } from "../store-fault.ts";
import type { TransactionSql } from "./client.ts";
import { Database, opened } from "./database.ts";
import { HOST_COLUMNS, type HostColumns, PostgresReader, toHost } from "./reader.ts";
import { arrayOf, type Upsert } from "./rows.ts";
import { ensureSchema, makeDurable } from "./schema.ts";
import { UPSERT_ACCOUNTS, UPSERT_ACTIONS, UPSERT_HOSTS, UPSERT_IDENTITIES, UPSERT_POLICIES } from "./tables.ts";
import { sharedSession, WriterLock } from "./writer-lock.ts";

/** Time for a scan of all accounts, which only a host needs whose row was lost, or whose accounts are counted anew. */
const SCAN_MS_MAX = 600_000;

interface Meta {
	lsn: number;
	hostIdMax: number;
	/** The greatest id of an account. */
	accountIdMax: number;
}

/**
 * Opens the index for writing, and makes its tables if the database is empty. An index has one writer.
 *
 * @param sleep waits while another writer has the index
 * @throws SchemaError if the database holds something else, or an index of a newer schema version
 * @throws StoreBroken if another writer keeps it for 30 s, or if the database can't hold an index
 */
export async function openPostgresStore(url: string, sleep: (ms: number) => Promise<void> = Bun.sleep): Promise<Store> {
	const id = crypto.randomUUID();
	const name = `standpipe writer ${id}`;
	// If a crash of the server undoes transactions, their records are applied again from the log.
	const database = new Database(url, { name, settings: { synchronous_commit: "off" } });
	return await opened(database, async () => {
		await checkServer(database, url);
		const lock = new WriterLock(database, name, sleep);
		await lock.hold();
		await ensureSchema(database);
		const [meta] = await database.run((sql) => sql<{ writer: string | null }[]>`SELECT writer FROM meta`);
		return new PostgresStore(database, lock, id, meta?.writer ?? null);
	});
}

/** @throws StoreBroken if the server can't hold an index, or if a second connection can get the session of the first */
export async function checkServer(database: Database, url: string): Promise<void> {
	const [found] = await database.run(
		(sql) => sql<{ encoding: string; schema: string | null; pid: number }[]>`
			SELECT current_setting('server_encoding') AS encoding, current_schema() AS schema, pg_backend_pid() AS pid`,
	);
	const { place } = database;
	if (found?.encoding !== "UTF8")
		throw new StoreBroken(
			`${place} has the encoding ${found?.encoding}: an index needs a database with the encoding UTF8`,
		);
	if (found.schema === null)
		throw new StoreBroken(`${place} has no schema that this role may use: create one, or set its search_path`);
	const second = new Database(url, { name: "standpipe check", settings: {} });
	try {
		const [other] = await second.transaction((sql) => sql<{ pid: number }[]>`SELECT pg_backend_pid() AS pid`);
		if (other?.pid === found.pid) throw sharedSession(database);
	} finally {
		await second.close();
	}
}

class PostgresStore extends PostgresReader implements Store {
	/** Commits are not synced (`synchronous_commit`), and a failover may lose the latest. */
	readonly canGoBack = true;
	readonly #lock: WriterLock;
	readonly #id: string;
	/** The one that wrote before this one. A crash of the server can undo all that this one wrote. */
	readonly #writerBefore: string | null;
	/** All hosts, as the database has them, since nobody else writes them. Null if that is not known. */
	#hosts: { rows: Map<number, Host>; connectionsLost: number } | null = null;
	/** Ids of the accounts that were loaded last. */
	#accountIds = new Map<string, number>();
	#accountIdMax = 0;
	/** `connectionsLost` when rows were loaded last; null before that. */
	#loadedAt: number | null = null;

	constructor(database: Database, lock: WriterLock, id: string, writerBefore: string | null) {
		// Its reads begin from what the database holds, and its writes go on from there.
		super(database, () => 0);
		this.#lock = lock;
		this.#id = id;
		this.#writerBefore = writerBefore;
	}

	async logId(): Promise<string | null> {
		const [row] = await this.database.run((sql) => sql<{ logId: string | null }[]>`SELECT log_id AS "logId" FROM meta`);
		return row?.logId ?? null;
	}

	async claim(logId: string): Promise<void> {
		await this.database.transaction(async (sql) => {
			await makeDurable(sql);
			await sql`UPDATE meta SET log_id = ${logId}`;
			await sql`UPDATE policy SET told = false WHERE told`;
		});
	}

	async load(keys: RowKeys): Promise<{ rows: RowSource; checkpoint: number }> {
		await this.#lock.hold();
		this.#loadedAt = this.database.connectionsLost;
		const known = await this.#knownHosts();
		// The checkpoint is read first. If somebody else wrote after that, this writer's next write fails.
		const [meta, accounts] = await Promise.all([this.#meta(), this.accountsOf(keys.dids)]);
		this.#accountIdMax = meta.accountIdMax;
		this.#accountIds = new Map(Array.from(accounts.values(), ({ did, id }) => [did, id]));
		const hosts: Host[] = [];
		const counted: number[] = [];
		for (const id of new Set([...keys.hosts, ...Array.from(accounts.values(), ({ host }) => host)])) {
			const host = known.get(id);
			if (host !== undefined) hosts.push({ ...host });
			if (host === undefined ? keys.introduced.has(id) && id <= meta.hostIdMax : keys.recounted.has(id))
				counted.push(id);
		}
		const accountCounts = counted.length === 0 ? new Map<number, number>() : await this.#countAccounts(counted);
		const loaded = { accounts: [...accounts.values()], hosts, accountCounts, hostIdMax: meta.hostIdMax };
		return { rows: new LoadedRows(keys, loaded), checkpoint: meta.lsn };
	}

	async write(changes: RowChanges, span: Span, logId: string): Promise<void> {
		// Another session may have written since, or a crash of the server may have undone what this one wrote.
		if (this.#loadedAt !== this.database.connectionsLost)
			throw new StoreUnavailable(
				"database-unreachable",
				`${this.database.place}: the connection was lost after the rows were loaded`,
			);
		const { hosts } = changes;
		const accounts = this.#withIds(changes.accounts);
		const known = this.#hosts;
		// Until the outcome is known.
		this.#hosts = null;
		await this.database.transaction(async (sql) => {
			await this.#moveCheckpoint(sql, changes.hostIdMax, span, logId);
			await Promise.all([
				...upsert(sql, UPSERT_HOSTS, hosts),
				...upsert(sql, UPSERT_ACCOUNTS, accounts),
				...upsert(sql, UPSERT_IDENTITIES, changes.identities),
				...deleteOutdated(sql, changes.outdated),
				...writePolicies(sql, changes.policies),
				...writeActions(sql, changes.actions),
			]);
		});
		for (const host of hosts) known?.rows.set(host.id, host);
		this.#hosts = known;
	}

	async #meta(): Promise<Meta> {
		const [meta] = await this.database.run(
			(sql) => sql<Meta[]>`SELECT lsn, host_id_max AS "hostIdMax",
				(SELECT coalesce(max(id), 0) FROM account) AS "accountIdMax" FROM meta`,
		);
		if (meta === undefined) throw new StoreBroken(`${this.database.place} has lost its row of meta`);
		return meta;
	}

	async #knownHosts(): Promise<ReadonlyMap<number, Host>> {
		const { connectionsLost } = this.database;
		if (this.#hosts?.connectionsLost === connectionsLost) return this.#hosts.rows;
		const hosts = await this.database.run((sql) => sql<HostColumns[]>`SELECT ${sql.unsafe(HOST_COLUMNS)} FROM host`);
		const rows = new Map(hosts.map((columns) => [columns.id, toHost(columns)]));
		this.#hosts = { rows, connectionsLost };
		return rows;
	}

	/** Counts the accounts at hosts, without those that are deleted. */
	async #countAccounts(hosts: readonly number[]): Promise<Map<number, number>> {
		const counts = await this.database.transaction(async (sql) => {
			await sql`SELECT set_config('statement_timeout', ${String(SCAN_MS_MAX)}, true)`;
			return await sql<{ host: number; count: number }[]>`SELECT host, count(*) AS count FROM account
				WHERE host = ANY (${arrayOf(hosts)}::bigint[]) AND (upstream_active OR upstream_status IS DISTINCT FROM ${DELETED}) GROUP BY host`;
		}, SCAN_MS_MAX);
		return new Map(counts.map(({ host, count }) => [host, count]));
	}

	/** Rows with the ids that they have. New accounts get the next ids, in their order. */
	#withIds(rows: readonly AccountRow[]): Account[] {
		let idMax = this.#accountIdMax;
		return rows.map((row) => ({ ...row, id: this.#accountIds.get(row.did) ?? ++idMax }));
	}

	/** The first statement of each write: nothing else happens unless the database is as this writer left it. */
	async #moveCheckpoint(sql: TransactionSql, hostIdMax: number, { after, last }: Span, logId: string): Promise<void> {
		const moved = await sql`UPDATE meta SET lsn = ${last}, host_id_max = ${hostIdMax}, writer = ${this.#id}
			WHERE lsn = ${after} AND log_id = ${logId}
				AND (writer = ${this.#id} OR writer IS NOT DISTINCT FROM ${this.#writerBefore}::text)`;
		if (moved.count !== 1)
			throw new StoreBroken(
				`${this.database.place} is not at lsn ${after} of the log ${logId} any more: something else writes to it`,
			);
	}
}

/*
 * The statements of a batch. The driver sends them one after another without waiting for answers, and the server executes them in this
 * order.
 */

function upsert<Row>(sql: TransactionSql, statement: Upsert<Row>, rows: readonly Row[]): Promise<unknown>[] {
	return Array.from(statement.slices(rows), (values) => sql.unsafe(statement.text, values, { prepare: true }));
}

function deleteOutdated(sql: TransactionSql, outdated: RowChanges["outdated"]): Promise<unknown>[] {
	if (outdated.length === 0) return [];
	const [dids, times] = [outdated.map(({ did }) => did), outdated.map(({ beforeMs }) => beforeMs)];
	return [
		sql`DELETE FROM identity USING unnest(${arrayOf(dids)}::text[], ${arrayOf(times)}::text[]) AS row (did, before_ms)
			WHERE identity.did = row.did AND resolved_at_ms < before_ms::double precision`,
	];
}

function writePolicies(sql: TransactionSql, changes: readonly PolicyChange[]): Promise<unknown>[] {
	const isSet = ({ value }: PolicyChange): boolean => value !== null;
	const deletions = changes
		.filter((change) => !isSet(change))
		.map(({ kind, key }) => sql`DELETE FROM policy WHERE kind = ${kind} AND key = ${key}`);
	return [...deletions, ...upsert(sql, UPSERT_POLICIES, changes.filter(isSet))];
}

function writeActions(sql: TransactionSql, actions: readonly StoredAction[]): Promise<unknown>[] {
	if (actions.length === 0) return [];
	const trim = sql`DELETE FROM admin_action
		WHERE lsn <= (SELECT lsn FROM admin_action ORDER BY lsn DESC LIMIT 1 OFFSET ${ACTIONS_MAX})`;
	return [...upsert(sql, UPSERT_ACTIONS, actions), trim];
}
