import type { Mutant } from "./table.ts";

const STORE = ["index/sqlite/store.test.ts"];
const POSTGRES = ["index/postgres/store.test.ts"];
const SCHEMA = ["index/sqlite/schema.test.ts"];
const PATIENCE = ["index/patient-reader.test.ts"];

/** Faults in the index's store: which log it belongs to, what it loads and writes, and what its failures mean. */
export const INDEX_MUTANTS: readonly Mutant[] = [
	{
		name: "the index of any log is accepted",
		file: "index/claim.ts",
		find: "if (!isFree)",
		replace: "if (!isFree && holder === null)",
		tests: STORE,
	},
	{
		name: "the index of another log is accepted wherever the log begins",
		file: "index/claim.ts",
		find: "log.lsnUsedMax + 1 === log.initialSeq;",
		replace: "log.lsnUsedMax >= log.initialSeq;",
		tests: STORE,
	},
	{
		name: "an index that is ahead of the log is accepted",
		file: "index/claim.ts",
		find: "if ((await store.checkpoint()) <= log.lsnUsedMax) await",
		replace: "await",
		tests: STORE,
	},
	{
		name: "a write is accepted at any checkpoint",
		file: "index/sqlite/store.ts",
		find: "WHERE lsn = ? AND log_id = ?",
		replace: "WHERE ? >= 0 AND log_id = ?",
		tests: STORE,
	},
	{
		name: "a write is accepted for any log",
		file: "index/sqlite/store.ts",
		find: "WHERE lsn = ? AND log_id = ?",
		replace: "WHERE lsn = ? AND ? <> ''",
		tests: STORE,
	},
	{
		name: "the host that an account leaves is not loaded",
		file: "index/sqlite/store.ts",
		find: "hostIds.add(columns.host);",
		replace: "",
		tests: STORE,
	},
	{
		name: "accounts of a host whose row was lost are not counted",
		file: "index/sqlite/store.ts",
		find: "keys.introduced.has(id) && id <= hostIdMax",
		replace: "keys.introduced.has(id) && id > hostIdMax",
		tests: STORE,
	},
	{
		name: "a row that was not asked for counts as absent",
		file: "index/loaded-rows.ts",
		find: "row === undefined && !this.#keys.dids.has(did)",
		replace: "row === undefined && this.#keys.dids.size < 0",
		tests: STORE,
	},
	{
		name: "a migration leaves out its last step",
		file: "index/sqlite/schema.ts",
		find: "MIGRATIONS.slice(from - SCHEMA_VERSION_MIN)",
		replace: "MIGRATIONS.slice(from - SCHEMA_VERSION_MIN, -1)",
		tests: SCHEMA,
	},
	{
		name: "a migration begins with the first step, whatever the version",
		file: "index/sqlite/schema.ts",
		find: "MIGRATIONS.slice(from - SCHEMA_VERSION_MIN)",
		replace: "MIGRATIONS.slice(from - from)",
		tests: SCHEMA,
	},
	{
		name: "a failing disk counts as a broken store",
		file: "index/sqlite/database-files.ts",
		find: "if (reason !== null) return new StoreUnavailable",
		replace: "if (reason === undefined) return new StoreUnavailable",
		tests: PATIENCE,
	},
	{
		name: "PostgreSQL: a write is accepted at any checkpoint",
		file: "index/postgres/store.ts",
		find: "WHERE lsn = $",
		replace: "WHERE lsn >= 0 OR lsn = $",
		tests: POSTGRES,
	},
	{
		name: "PostgreSQL: a write is accepted whoever wrote last",
		file: "index/postgres/store.ts",
		find: "if (this.#hasWritten && meta.writer !== this.#id)",
		replace: "if (!this.#hasWritten && meta.writer === this.#id)",
		tests: POSTGRES,
	},
	{
		name: "PostgreSQL: the lock is not taken again after the connection was lost",
		file: "index/postgres/writer-lock.ts",
		find: "this.#takenAt !== this.#database.connectionsLost; tries++",
		replace: "this.#takenAt === null; tries++",
		tests: POSTGRES,
	},
	{
		name: "PostgreSQL: a transaction is rolled back over a connection that is lost",
		file: "index/postgres/database.ts",
		find: "if (!this.#clients.includes(sql)) await",
		replace: "if (this.#clients.length === 0) await",
		tests: POSTGRES,
	},
	{
		name: "PostgreSQL: the ids of accounts have gaps",
		file: "index/postgres/store.ts",
		find: "id: this.#accountIds.get(row.did) ?? ++idMax",
		replace: "id: ++idMax",
		tests: POSTGRES,
	},
	{
		name: "PostgreSQL: a database that has gone back is written on",
		file: "index/writer.ts",
		find: "if (checkpoint < expected) return",
		replace: "if (checkpoint < 0) return",
		tests: POSTGRES,
	},
	{
		name: "PostgreSQL: numbers beyond the exact ones are rounded",
		file: "index/postgres/client.ts",
		find: "!Number.isSafeInteger(value)",
		replace: "!Number.isInteger(value)",
		tests: POSTGRES,
	},
	{
		name: "PostgreSQL: a client connects again by itself",
		file: "index/postgres/client.ts",
		find: "if (isMade) throw failure",
		replace: "if (!isMade && isMade) throw failure",
		tests: ["index/postgres/client.test.ts"],
	},
	{
		name: "PostgreSQL: too many keys are looked up at once",
		file: "index/postgres/lookups.ts",
		find: "if (this.#waiting.size === KEYS_MAX) this.#flush();",
		replace: "",
		tests: ["index/postgres/lookups.test.ts"],
	},
	{
		name: "a log has its id only after its first segment",
		file: "log/local/write/log-writer.ts",
		find: "ensureLogId(fs, directory);",
		replace: "queueMicrotask(() => ensureLogId(fs, directory));",
		tests: ["log/local/log-id.test.ts"],
	},
	{
		name: "any content of the file is accepted as a log's id",
		file: "log/local/log-id.ts",
		find: "if (!UUID.test(id)) throw",
		replace: "if (id.length > 1_000) throw",
		tests: ["log/local/log-id.test.ts"],
	},
];
