// index/sqlite/: the store that is embedded in the process. It knows rows, and nothing of the log's records.

import type { Database, Statement } from "bun:sqlite";
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { DELETED, isTakenDown } from "../../account/status.ts";
import { diskFaultReason } from "../../disk/fault.ts";
import { connectionFrom, type HostConnection } from "../../log/record/host-connection.ts";
import type { PolicyKind } from "../../log/record/policy-facts.ts";
import { LoadedRows } from "../loaded-rows.ts";
import {
	ACTIONS_MAX,
	type Account,
	type AccountRow,
	type Host,
	type IndexReader,
	type Policy,
	type RowChanges,
	type RowKeys,
	type RowSource,
	type Span,
	type Store,
	type StoredAction,
	type StoredIdentity,
	type Takedown,
	type WaitingAccount,
} from "../store.ts";
import { StoreBroken } from "../store-fault.ts";
import { openForReading, openForWriting } from "./connection.ts";
import { DatabaseFiles } from "./database-files.ts";
import { checkSchema, ensureSchema } from "./schema.ts";

type Flag = 0 | 1;

/** A row as SQLite gives it, with 0 and 1 for booleans. */
type Columns<Row> = { [Name in keyof Row]: Row[Name] extends boolean ? Flag : Row[Name] };

type HostColumns = Columns<Omit<Host, "connection">> & { connection: string | null };

const SELECT_HOST = `SELECT id, hostname, insecure, status, cursor, gaps, last_gap AS lastGap, account_count AS accountCount,
	connection FROM host`;
const SELECT_ACCOUNT = `SELECT id, did, host, host_seq AS hostSeq, last_time_ms AS lastTimeMs, upstream_active AS upstreamActive,
	upstream_status AS upstreamStatus, local_status AS localStatus, waiting_since_us AS waitingSinceUs, status_lsn AS statusLsn,
	rev, commit_cid AS "commit", data_cid AS data
	FROM account`;
const SELECT_IDENTITY = `SELECT did, signing_key AS signingKey, pds, tombstoned, resolved_at_ms AS resolvedAtMs
	FROM identity`;

const SELECT_TAKEN_DOWN = `SELECT did, status_lsn AS takenDownSinceLsn FROM account
	WHERE taken_down = 1 AND status_lsn >= ? ORDER BY status_lsn DESC LIMIT ?`;

const SELECT_WAITING = `SELECT did, waiting_since_us AS sinceUs FROM account
	WHERE host = ? AND waiting_since_us > ? ORDER BY waiting_since_us LIMIT ?`;
const COUNT_WAITING_BEFORE = "SELECT count(*) AS count FROM account WHERE host = ? AND waiting_since_us < ?";
const COUNT_WAITING = "SELECT host, count(*) AS count FROM account WHERE waiting_since_us IS NOT NULL GROUP BY host";

const SELECT_POLICY = "SELECT key, value FROM policy WHERE kind = ? AND key > ?";
const UPSERT_POLICY = `INSERT INTO policy (kind, key, value, told) VALUES (?, ?, ?, 1)
	ON CONFLICT (kind, key) DO UPDATE SET value = excluded.value, told = 1 WHERE value <> excluded.value OR told = 0`;
const SELECT_ACTIONS = `SELECT lsn, at_ms AS atMs, address AS "by", action, subject, before, after FROM admin_action
	WHERE lsn < ? ORDER BY lsn DESC LIMIT ?`;
const INSERT_ACTION = `INSERT INTO admin_action (lsn, at_ms, address, action, subject, before, after) VALUES (?, ?, ?, ?, ?, ?, ?)
	ON CONFLICT (lsn) DO NOTHING`;
const TRIM_ACTIONS = `DELETE FROM admin_action WHERE lsn <= (SELECT lsn FROM admin_action ORDER BY lsn DESC LIMIT 1 OFFSET ?)`;

const MOVE_CHECKPOINT = "UPDATE checkpoint SET lsn = ?, host_id_max = ? WHERE lsn = ? AND log_id = ?";
const COUNT_ACCOUNTS =
	"SELECT count(*) AS count FROM account WHERE host = ? AND NOT (upstream_active = 0 AND upstream_status IS ?)";

const UPSERT_HOST = `INSERT INTO host (id, hostname, insecure, status, cursor, gaps, last_gap, account_count, connection)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
	ON CONFLICT (id) DO UPDATE SET hostname = excluded.hostname, insecure = excluded.insecure, status = excluded.status,
		cursor = excluded.cursor, gaps = excluded.gaps, last_gap = excluded.last_gap, account_count = excluded.account_count,
		connection = excluded.connection`;
const UPSERT_ACCOUNT = `INSERT INTO account
	(did, host, host_seq, last_time_ms, upstream_active, upstream_status, local_status, waiting_since_us, status_lsn, taken_down, rev,
		commit_cid, data_cid)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
	ON CONFLICT (did) DO UPDATE SET host = excluded.host, host_seq = excluded.host_seq, last_time_ms = excluded.last_time_ms,
		upstream_active = excluded.upstream_active, upstream_status = excluded.upstream_status,
		local_status = excluded.local_status, waiting_since_us = excluded.waiting_since_us, status_lsn = excluded.status_lsn, taken_down = excluded.taken_down,
		rev = excluded.rev, commit_cid = excluded.commit_cid, data_cid = excluded.data_cid`;
const UPSERT_IDENTITY = `INSERT INTO identity (did, signing_key, pds, tombstoned, resolved_at_ms) VALUES (?, ?, ?, ?, ?)
	ON CONFLICT (did) DO UPDATE SET signing_key = excluded.signing_key, pds = excluded.pds,
		tombstoned = excluded.tombstoned, resolved_at_ms = excluded.resolved_at_ms`;

/**
 * Opens the index for reading. The writer must have been opened before, since it makes the tables.
 * @throws SchemaError if the file is not an index of this program's schema version
 */
export function openSqliteReader(path: string): IndexReader {
	return openForReading(path, (database) => {
		checkSchema(database);
		return new SqliteReader(database);
	});
}

/**
 * Opens the index for writing, and makes it if it is absent. The process has one writer: the index thread.
 * @throws SchemaError if the file is not an index, or is of a schema version that can't be migrated
 */
export function openSqliteStore(path: string): Store {
	mkdirSync(dirname(path), { recursive: true });
	return openForWriting(path, (database) => {
		ensureSchema(database);
		return new SqliteStore(database);
	});
}

class SqliteReader implements IndexReader {
	protected readonly database: Database;
	protected readonly files: DatabaseFiles;
	readonly #account: Statement<Columns<Account>, [string]>;
	readonly #identity: Statement<Columns<StoredIdentity>, [string]>;
	readonly #hostByName: Statement<HostColumns, [string]>;
	readonly #hosts: Statement<HostColumns, [number, number]>;
	readonly #repos: Statement<Columns<Account>, [number, number]>;
	readonly #takenDown: Statement<Takedown, [number, number]>;
	readonly #waiting: Statement<WaitingAccount, [host: number, afterUs: number, limit: number]>;
	readonly #waitingBefore: Statement<{ count: number }, [host: number, sinceUs: number]>;
	readonly #waitingCounts: Statement<{ host: number; count: number }, []>;
	readonly #policies: Statement<PolicyColumns, [kind: string, afterKey: string, limit: number]>;
	readonly #untold: Statement<PolicyColumns, [kind: string, afterKey: string, limit: number]>;
	readonly #actions: Statement<StoredAction, [beforeLsn: number, limit: number]>;
	readonly #checkpoint: Statement<{ lsn: number; hostIdMax: number }, []>;

	constructor(database: Database) {
		this.database = database;
		this.files = DatabaseFiles.at(database.filename);
		this.#account = database.prepare(`${SELECT_ACCOUNT} WHERE did = ?`);
		this.#identity = database.prepare(`${SELECT_IDENTITY} WHERE did = ?`);
		this.#hostByName = database.prepare(`${SELECT_HOST} WHERE hostname = ?`);
		this.#hosts = database.prepare(`${SELECT_HOST} WHERE id > ? ORDER BY id LIMIT ?`);
		this.#repos = database.prepare(`${SELECT_ACCOUNT} WHERE id > ? AND commit_cid IS NOT NULL ORDER BY id LIMIT ?`);
		this.#takenDown = database.prepare(SELECT_TAKEN_DOWN);
		this.#waiting = database.prepare(SELECT_WAITING);
		this.#waitingBefore = database.prepare(COUNT_WAITING_BEFORE);
		this.#waitingCounts = database.prepare(COUNT_WAITING);
		this.#policies = database.prepare(`${SELECT_POLICY} ORDER BY key LIMIT ?`);
		this.#untold = database.prepare(`${SELECT_POLICY} AND told = 0 ORDER BY key LIMIT ?`);
		this.#actions = database.prepare(SELECT_ACTIONS);
		this.#checkpoint = database.prepare("SELECT lsn, host_id_max AS hostIdMax FROM checkpoint");
	}

	account(did: string): Promise<Account | null> {
		return this.files.attempt(() => {
			const columns = this.#account.get(did);
			return columns && toAccount(columns);
		});
	}

	identity(did: string): Promise<StoredIdentity | null> {
		return this.files.attempt(() => {
			const columns = this.#identity.get(did);
			return columns && { ...columns, tombstoned: columns.tombstoned === 1 };
		});
	}

	hostByName(hostname: string): Promise<Host | null> {
		return this.files.attempt(() => {
			const columns = this.#hostByName.get(hostname);
			return columns && toHost(columns);
		});
	}

	hosts(afterId: number, limit: number): Promise<Host[]> {
		return this.files.attempt(() => this.#hosts.all(afterId, limit).map(toHost));
	}

	repos(afterId: number, limit: number): Promise<Account[]> {
		return this.files.attempt(() => this.#repos.all(afterId, limit).map(toAccount));
	}

	takenDownSince(lsn: number, limit: number): Promise<Takedown[]> {
		return this.files.attempt(() => this.#takenDown.all(lsn, limit));
	}

	waiting(host: number, afterUs: number, limit: number): Promise<WaitingAccount[]> {
		return this.files.attempt(() => this.#waiting.all(host, afterUs, limit));
	}

	waitingBefore(host: number, sinceUs: number): Promise<number> {
		return this.files.attempt(() => this.#waitingBefore.get(host, sinceUs)?.count ?? 0);
	}

	waitingCounts(): Promise<{ host: number; count: number }[]> {
		return this.files.attempt(() => this.#waitingCounts.all());
	}

	policies<K extends PolicyKind>(kind: K, afterKey: string, limit: number): Promise<Policy<K>[]> {
		return this.files.attempt(() => this.#policies.all(kind, afterKey, limit).map((row) => toPolicy(kind, row)));
	}

	untoldPolicies<K extends PolicyKind>(kind: K, afterKey: string, limit: number): Promise<Policy<K>[]> {
		return this.files.attempt(() => this.#untold.all(kind, afterKey, limit).map((row) => toPolicy(kind, row)));
	}

	actions(beforeLsn: number, limit: number): Promise<StoredAction[]> {
		return this.files.attempt(() => this.#actions.all(beforeLsn, limit));
	}

	checkpoint(): Promise<number> {
		return this.files.attempt(() => this.progress().lsn);
	}

	hostIdMax(): Promise<number> {
		return this.files.attempt(() => this.progress().hostIdMax);
	}

	protected progress(): { lsn: number; hostIdMax: number } {
		const row = this.#checkpoint.get();
		if (row === null) throw new StoreBroken(`${this.database.filename} has lost its checkpoint row`);
		return row;
	}

	async close(): Promise<void> {
		this.database.close();
	}
}

class SqliteStore extends SqliteReader implements Store {
	/** Its database runs in this process. */
	readonly canGoBack = false;
	readonly #accountRow: Statement<Columns<Account>, [string]>;
	readonly #hostRow: Statement<HostColumns, [number]>;
	readonly #upsertHost: Statement;
	readonly #upsertAccount: Statement;
	readonly #upsertIdentity: Statement;
	readonly #deleteIdentity: Statement<void, [string, number]>;
	readonly #countAccounts: Statement<{ count: number }, [host: number, deleted: string]>;
	readonly #upsertPolicy: Statement;
	readonly #deletePolicy: Statement<void, [kind: string, key: string]>;
	readonly #insertAction: Statement;
	readonly #trimActions: Statement<void, [kept: number]>;
	readonly #logId: Statement<{ logId: string | null }, []>;
	readonly #claim: (logId: string) => void;
	readonly #moveCheckpoint: Statement<void, [last: number, hostIdMax: number, after: number, logId: string]>;
	readonly #loadAtOnce: (keys: RowKeys) => { rows: RowSource; checkpoint: number };
	readonly #writeAtOnce: (changes: RowChanges, span: Span, logId: string) => void;

	constructor(database: Database) {
		super(database);
		this.#accountRow = database.prepare(`${SELECT_ACCOUNT} WHERE did = ?`);
		this.#hostRow = database.prepare(`${SELECT_HOST} WHERE id = ?`);
		this.#upsertHost = database.prepare(UPSERT_HOST);
		this.#upsertAccount = database.prepare(UPSERT_ACCOUNT);
		this.#upsertIdentity = database.prepare(UPSERT_IDENTITY);
		this.#deleteIdentity = database.prepare("DELETE FROM identity WHERE did = ? AND resolved_at_ms < ?");
		this.#countAccounts = database.prepare(COUNT_ACCOUNTS);
		this.#moveCheckpoint = database.prepare(MOVE_CHECKPOINT);
		this.#logId = database.prepare("SELECT log_id AS logId FROM checkpoint");
		const claim = database.prepare<void, [string]>("UPDATE checkpoint SET log_id = ?");
		const forgetTold = database.prepare<void, []>("UPDATE policy SET told = 0");
		this.#upsertPolicy = database.prepare(UPSERT_POLICY);
		this.#deletePolicy = database.prepare("DELETE FROM policy WHERE kind = ? AND key = ?");
		this.#insertAction = database.prepare(INSERT_ACTION);
		this.#trimActions = database.prepare(TRIM_ACTIONS);
		this.#claim = database.transaction((logId: string) => {
			claim.run(logId);
			forgetTold.run();
		}).immediate;
		// Each is one transaction: otherwise every statement would take and release the locks.
		this.#loadAtOnce = database.transaction((keys: RowKeys) => this.#load(keys)).deferred;
		this.#writeAtOnce = database.transaction((changes: RowChanges, span: Span, logId: string) =>
			this.#write(changes, span, logId),
		).immediate;
	}

	logId(): Promise<string | null> {
		return this.files.attempt(() => this.#logId.get()?.logId ?? null);
	}

	claim(logId: string): Promise<void> {
		return this.files.attempt(() => this.#claim(logId));
	}

	load(keys: RowKeys): Promise<{ rows: RowSource; checkpoint: number }> {
		return this.files.attempt(() => this.#loadAtOnce(keys));
	}

	write(changes: RowChanges, span: Span, logId: string): Promise<void> {
		return this.files.attempt(() => this.#writeAtOnce(changes, span, logId));
	}

	/**
	 * Moves the write-ahead log into the database file, so that this file alone is a complete copy of the index. If the disk fails, both
	 * files together are the copy, and the next writer goes on with both.
	 */
	override async close(): Promise<void> {
		try {
			this.database.run("PRAGMA wal_checkpoint(TRUNCATE)");
		} catch (error) {
			if (diskFaultReason(error) === null) throw error;
		}
		await super.close();
	}

	#load(keys: RowKeys): { rows: RowSource; checkpoint: number } {
		const { lsn: checkpoint, hostIdMax } = this.progress();
		const accounts: AccountRow[] = [];
		const hostIds = new Set(keys.hosts);
		for (const did of keys.dids) {
			const columns = this.#accountRow.get(did);
			if (columns === null) continue;
			accounts.push(toAccount(columns));
			hostIds.add(columns.host);
		}
		const hosts: Host[] = [];
		const accountCounts = new Map<number, number>();
		for (const id of hostIds) {
			const columns = this.#hostRow.get(id);
			if (columns !== null) hosts.push(toHost(columns));
			// This scans all accounts. Of hosts without a row, only one whose row was lost can have accounts already.
			if (columns === null ? keys.introduced.has(id) && id <= hostIdMax : keys.recounted.has(id))
				accountCounts.set(id, this.#countAccounts.get(id, DELETED)?.count ?? 0);
		}
		return { rows: new LoadedRows(keys, { accounts, hosts, accountCounts, hostIdMax }), checkpoint };
	}

	#write(changes: RowChanges, { after, last }: Span, logId: string): void {
		if (this.#moveCheckpoint.run(last, changes.hostIdMax, after, logId).changes !== 1)
			throw new StoreBroken(
				`${this.database.filename} is not at lsn ${after} of the log ${logId} any more: something else writes to it`,
			);
		for (const host of changes.hosts) this.#writeHost(host);
		for (const account of changes.accounts) this.#writeAccount(account);
		for (const { did, signingKey, pds, tombstoned, resolvedAtMs } of changes.identities)
			this.#upsertIdentity.run(did, signingKey, pds, tombstoned, resolvedAtMs);
		for (const { did, beforeMs } of changes.outdated) this.#deleteIdentity.run(did, beforeMs);
		for (const { kind, key, value } of changes.policies)
			if (value === null) this.#deletePolicy.run(kind, key);
			else this.#upsertPolicy.run(kind, key, JSON.stringify(value));
		for (const { lsn, atMs, by, action, subject, before, after } of changes.actions)
			this.#insertAction.run(lsn, atMs, by, action, subject, before, after);
		if (changes.actions.length > 0) this.#trimActions.run(ACTIONS_MAX);
	}

	#writeHost(row: Host): void {
		const { id, hostname, insecure, status, cursor, gaps, lastGap, accountCount, connection } = row;
		const json = JSON.stringify(connection);
		this.#upsertHost.run(id, hostname, insecure, status, cursor, gaps, lastGap, accountCount, json);
	}

	#writeAccount(row: AccountRow): void {
		this.#upsertAccount.run(
			row.did,
			row.host,
			row.hostSeq,
			row.lastTimeMs,
			row.upstreamActive,
			row.upstreamStatus,
			row.localStatus,
			row.waitingSinceUs,
			row.statusLsn,
			isTakenDown(row),
			row.rev,
			row.commit,
			row.data,
		);
	}
}

/** What is read of a row of `policy`. */
interface PolicyColumns {
	key: string;
	value: string;
}

function toPolicy<K extends PolicyKind>(kind: K, { key, value }: PolicyColumns): Policy<K> {
	return { kind, key, value: JSON.parse(value) };
}

function toHost(columns: HostColumns): Host {
	const told: Partial<HostConnection> | null = columns.connection === null ? null : JSON.parse(columns.connection);
	return { ...columns, insecure: columns.insecure === 1, connection: connectionFrom(told) };
}

function toAccount(columns: Columns<Account>): Account {
	return { ...columns, upstreamActive: columns.upstreamActive === 1 };
}
