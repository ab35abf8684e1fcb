import { Database } from "bun:sqlite";
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isTakenDown } from "../../../src/account/status.ts";
import { SCHEMA_VERSION, SCHEMA_VERSION_MIN } from "../../../src/index/sqlite/schema.ts";
import { openSqliteReader } from "../../../src/index/sqlite/store.ts";
import { NEVER_CONNECTED } from "../../../src/log/record/host-connection.ts";
import * as records from "../records.ts";
import { LOG_ID, NEW_LOG } from "../store-cases.ts";
import { openWriter } from "../writer.ts";

let folder: string;
let path: string;
beforeEach(() => {
	folder = mkdtempSync(join(tmpdir(), "standpipe-schema-"));
	path = join(folder, "index.sqlite");
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A log that reaches to the checkpoint of the older databases. */
const LONG_LOG = { ...NEW_LOG, lsnUsedMax: 1_000 };

/** The tables as older releases made them. */
interface OlderSchema {
	version: number;
	/** Columns that only some versions had. */
	seqMax?: true;
	gaps?: true;
	lastTime?: true;
	hostIdMax?: true;
	takenDown?: true;
	logId?: true;
	/** Before, the log had no lsns: a record's seq was its address. */
	lsns?: true;
}

/** Versions 4 and 5 were made with and without the columns of gaps. */
const OLDER: OlderSchema[] = [
	{ version: 2, seqMax: true },
	{ version: 3, lastTime: true },
	{ version: 4, lastTime: true, hostIdMax: true },
	{ version: 4, lastTime: true, hostIdMax: true, gaps: true },
	{ version: 5, lastTime: true, hostIdMax: true, takenDown: true },
	{ version: 5, lastTime: true, hostIdMax: true, takenDown: true, gaps: true },
	{ version: 6, lastTime: true, hostIdMax: true, takenDown: true, gaps: true, logId: true },
	{ version: 7, lastTime: true, hostIdMax: true, takenDown: true, gaps: true, logId: true, lsns: true },
];

/** Up to version 4, `taken_down` was not a column. */
const TAKEN_DOWN = `(local_status IN ('takendown', 'suspended', 'deleted')
	OR (upstream_active = 0 AND upstream_status IN ('takendown', 'suspended', 'deleted')))`;

function makeOlder({ version, seqMax, gaps, lastTime, hostIdMax, takenDown, logId, lsns }: OlderSchema): void {
	const address = lsns ? "lsn" : "seq";
	const database = new Database(path);
	database.run(`
		CREATE TABLE host (id INTEGER PRIMARY KEY, hostname TEXT NOT NULL UNIQUE, insecure INTEGER NOT NULL, status TEXT NOT NULL,
			cursor INTEGER, ${seqMax ? "seq_max INTEGER NOT NULL," : ""}
			${gaps ? "gaps INTEGER NOT NULL, last_gap TEXT," : ""} account_count INTEGER NOT NULL) STRICT;
		CREATE TABLE account (id INTEGER PRIMARY KEY, did TEXT NOT NULL UNIQUE, host INTEGER NOT NULL, host_seq INTEGER NOT NULL,
			${lastTime ? "last_time_ms INTEGER NOT NULL," : ""} upstream_active INTEGER NOT NULL, upstream_status TEXT,
			local_status TEXT, status_${address} INTEGER NOT NULL,
			${takenDown ? "taken_down INTEGER NOT NULL," : ""} rev TEXT, commit_cid BLOB, data_cid BLOB) STRICT;
		CREATE INDEX account_taken_down ON account (status_${address}) WHERE ${takenDown ? "taken_down = 1" : TAKEN_DOWN};
		CREATE TABLE identity (did TEXT PRIMARY KEY, signing_key TEXT, pds TEXT, tombstoned INTEGER NOT NULL,
			resolved_at_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
		CREATE TABLE checkpoint (only INTEGER PRIMARY KEY CHECK (only = 1), ${address} INTEGER NOT NULL
			${hostIdMax ? ", host_id_max INTEGER NOT NULL" : ""} ${logId ? ", log_id TEXT" : ""}) STRICT;
		INSERT INTO checkpoint (only, ${address} ${hostIdMax ? ", host_id_max" : ""}) VALUES (1, 100 ${hostIdMax ? ", 6" : ""});
		${logId ? `UPDATE checkpoint SET log_id = '${LOG_ID}';` : ""}
		PRAGMA user_version = ${version};
	`);
	const host = (id: number, hostname: string, cursor: number, count: number): void => {
		const more = [seqMax ? ["seq_max", 7] : [], gaps ? ["gaps", 2, "last_gap", "then"] : []].flat();
		insert(database, "host", [
			"id",
			id,
			"hostname",
			hostname,
			"insecure",
			0,
			"status",
			"active",
			"cursor",
			cursor,
			...more,
			"account_count",
			count,
		]);
	};
	host(1, "pds1.example.com", 90, 1);
	// Before version 4, lost hosts got placeholder rows.
	if (version < 4) host(4, "host-4.invalid", 5, 0);
	host(5, "host-4.invalid.example.com", 6, 1);
	const account = (did: string, home: number, status: string | null): void => {
		const more = lastTime ? ["last_time_ms", 1_700_000_000_000] : [];
		const repo = ["rev", records.rev(3), "commit_cid", records.cid(3), "data_cid", records.cid(4)];
		const told = ["upstream_active", status === null ? 1 : 0, "upstream_status", status, `status_${address}`, 50];
		if (takenDown) told.push("taken_down", status === "takendown" ? 1 : 0);
		insert(database, "account", ["did", did, "host", home, "host_seq", 80, ...more, ...told, ...repo]);
	};
	account("did:plc:a", 1, null);
	account("did:plc:b", 5, "takendown");
	account("did:plc:c", 6, null);
	insert(database, "identity", [
		"did",
		"did:plc:a",
		"signing_key",
		"did:key:one",
		"tombstoned",
		0,
		"resolved_at_ms",
		9,
	]);
	database.close();
}

/** @param pairs of column and value */
function insert(database: Database, table: string, pairs: readonly (string | number | Uint8Array | null)[]): void {
	const columns = pairs.filter((_, at) => at % 2 === 0);
	const values = pairs.filter((_, at) => at % 2 === 1);
	database.query(`INSERT INTO ${table} (${columns}) VALUES (${values.map(() => "?")})`).run(...values);
}

/** The tables and their indexes, without regard to the order of columns. */
function shape(of: string): unknown {
	const database = new Database(of, { readonly: true });
	const tables = ["host", "account", "identity", "policy", "admin_action", "checkpoint"].map((table) => [
		database.query(`SELECT name, type, "notnull", pk FROM pragma_table_info(?) ORDER BY name`).all(table),
		database.query(`SELECT name, "unique", partial FROM pragma_index_list(?) ORDER BY name`).all(table),
	]);
	const version = database.query("PRAGMA user_version").get();
	database.close();
	return { tables, version };
}

test("the tests have a database of each version that can be migrated", () => {
	const versions = [...new Set(OLDER.map(({ version }) => version))];
	expect(versions).toEqual(
		Array.from({ length: SCHEMA_VERSION - SCHEMA_VERSION_MIN }, (_, at) => SCHEMA_VERSION_MIN + at),
	);
});

test.each(OLDER)("a database of an older version keeps its rows and becomes like a new one: %o", async (older) => {
	makeOlder(older);
	expect(() => openSqliteReader(path)).toThrow(`schema version ${older.version}`);
	const { store } = await openWriter(path, LONG_LOG);
	const fresh = join(folder, "fresh.sqlite");
	await (await openWriter(fresh)).store.close();
	expect(shape(path)).toEqual(shape(fresh));
	// Before version 6 logs had no ids, so the first log that opens the index claims it.
	expect([await store.logId(), await store.checkpoint(), await store.hostIdMax()]).toEqual([LOG_ID, 100, 6]);
	const gaps = older.gaps ? { gaps: 2, lastGap: "then" } : { gaps: 0, lastGap: null };
	const same = { insecure: false, status: "active" as const, accountCount: 1, connection: NEVER_CONNECTED, ...gaps };
	expect(await store.hosts(0, 10)).toEqual([
		{ id: 1, hostname: "pds1.example.com", cursor: 90, ...same },
		{ id: 5, hostname: "host-4.invalid.example.com", cursor: 6, ...same },
	]);
	const lastTimeMs = older.lastTime ? 1_700_000_000_000 : 0;
	const repo = { rev: records.rev(3), commit: records.cid(3), data: records.cid(4) };
	expect(await store.account("did:plc:b")).toEqual({
		id: 2,
		did: "did:plc:b",
		host: 5,
		hostSeq: 80,
		lastTimeMs,
		upstreamActive: false,
		upstreamStatus: "takendown",
		localStatus: null,
		waitingSinceUs: null,
		statusLsn: 50,
		...repo,
	});
	expect(await store.identity("did:plc:a")).toMatchObject({ signingKey: "did:key:one", pds: null, resolvedAtMs: 9 });
	expect(await store.takenDownSince(1, 10)).toEqual([{ did: "did:plc:b", takenDownSinceLsn: 50 }]);
	await store.close();
	const again = await openWriter(path, LONG_LOG);
	await again.apply(records.sequence([records.host(7), records.account([7, 5], "did:plc:new", null, 9)], 101));
	expect(await again.store.account("did:plc:new")).toMatchObject({ id: 4, hostSeq: 5, lastTimeMs: 9 });
	expect(await again.store.hostIdMax()).toBe(7);
	await again.store.close();
});

test("statuses that the operator set before they were in the log are untold", async () => {
	makeOlder({ version: 7, lastTime: true, hostIdMax: true, takenDown: true, gaps: true, logId: true, lsns: true });
	const database = new Database(path);
	database.run("UPDATE account SET local_status = 'takendown', taken_down = 1 WHERE did = 'did:plc:a'");
	database.run("UPDATE account SET local_status = 'suspended' WHERE did = 'did:plc:c'");
	database.close();
	const { store } = await openWriter(path, LONG_LOG);
	expect(await store.untoldPolicies("localStatus", "", 10)).toEqual([
		{ kind: "localStatus", key: "did:plc:a", value: { status: "takendown" } },
		{ kind: "localStatus", key: "did:plc:c", value: { status: "suspended" } },
	]);
	expect(await store.account("did:plc:a")).toMatchObject({ localStatus: "takendown" });
	await store.close();
});

test("accounts that are taken down stay so when that becomes a column", async () => {
	makeOlder({ version: 4, lastTime: true, hostIdMax: true });
	const database = new Database(path);
	database.run("DELETE FROM account");
	const add = database.prepare(`INSERT INTO account
		(did, host, host_seq, last_time_ms, upstream_active, upstream_status, local_status, status_seq)
		VALUES (?, 1, 1, 0, ?, ?, ?, ?)`);
	const statuses = [null, "takendown", "suspended", "deactivated", "deleted", "odd"];
	const taken: string[] = [];
	let seq = 0;
	for (const localStatus of statuses)
		for (const upstreamStatus of statuses)
			for (const upstreamActive of [true, false]) {
				const did = `did:plc:${++seq}`;
				add.run(did, upstreamActive, upstreamStatus, localStatus, seq);
				if (isTakenDown({ localStatus, upstreamStatus, upstreamActive })) taken.unshift(did);
			}
	database.close();
	const { store } = await openWriter(path, LONG_LOG);
	expect((await store.takenDownSince(0, 100)).map(({ did }) => did)).toEqual(taken);
	expect(taken.length).toBeGreaterThan(20);
	await store.close();
});
