import { beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { ForeignIndexError } from "../../../src/index/claim.ts";
import { openIndexReader, openIndexWriter } from "../../../src/index/open.ts";
import { Database } from "../../../src/index/postgres/database.ts";
import { arrayOf } from "../../../src/index/postgres/rows.ts";
import { SCHEMA_VERSION, SchemaError } from "../../../src/index/postgres/schema.ts";
import { openPostgresStore } from "../../../src/index/postgres/store.ts";
import { StoreBroken, StoreUnavailable, storeFaultReason } from "../../../src/index/store-fault.ts";
import { IndexWriter } from "../../../src/index/writer.ts";
import { Rng } from "../../../src/sim/rng.ts";
import { type PostgresServer, sharedPostgres } from "../../sim/postgres.ts";
import { describeWithPostgres } from "../../sim/postgres-programs.ts";
import * as records from "../records.ts";
import { history, LOG_ID, NEW_LOG, storeCases } from "../store-cases.ts";
import { SchemaPlace } from "./place.ts";

const SESSION = { name: "test", settings: {} };

/** A trouble that passes may come more than once. */
async function untilAvailable<Result>(work: () => Promise<Result>): Promise<Result> {
	for (;;) {
		try {
			return await work();
		} catch (error) {
			if (!(error instanceof StoreUnavailable)) throw error;
			await Bun.sleep(20);
		}
	}
}

describeWithPostgres("PostgreSQL", () => {
	let server: PostgresServer;
	let database: string;
	let places = 0;
	let place: SchemaPlace;
	beforeAll(async () => {
		server = await sharedPostgres();
		database = (await server.newDatabase()).url;
	}, 300_000);
	beforeEach(async () => {
		place = await makePlace();
	});

	const makePlace = (): Promise<SchemaPlace> => SchemaPlace.make(database, `place_${++places}`);

	storeCases("PostgreSQL", makePlace);

	/** A writer that waits for the lock in no time, and counts how often. */
	async function impatientWriter(): Promise<{ writer: IndexWriter; waits: () => number }> {
		let waits = 0;
		const store = await openPostgresStore(place.url, async () => void waits++);
		if ((await store.logId()) === null) await store.claim(LOG_ID);
		return { writer: new IndexWriter(store, LOG_ID), waits: () => waits };
	}

	/** Ends the sessions of writers in this database. */
	async function endWriters(): Promise<void> {
		const ended = await place.sql(
			(sql) => sql`SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity
				WHERE application_name LIKE 'standpipe writer %' AND datname = current_database()`,
		);
		expect(ended.length).toBeGreaterThan(0);
	}

	async function expectRefusal(opening: Promise<unknown>, sentence: string): Promise<void> {
		const error = await opening.then(
			() => null,
			(reason: unknown) => reason,
		);
		expect(error).toBeInstanceOf(StoreBroken);
		const { message } = error as StoreBroken;
		expect(message).toContain(sentence);
		expect(message).not.toContain("only-for-the-simulation");
		expect(message).not.toContain("\n");
	}

	describe("two writers", () => {
		test("the second is refused after 30 tries, and told who writes; the first is unharmed", async () => {
			const all = history(60);
			const { writer: first } = await impatientWriter();
			await first.apply(all.slice(0, 20));
			let waits = 0;
			const opening = openPostgresStore(place.url, async () => void waits++);
			await expectRefusal(opening, "is written by another: session ");
			await expect(opening).rejects.toThrow(/\(standpipe writer [\da-f-]{36}\) from 127\.0\.0\.1$/);
			expect(waits).toBe(29);
			await first.apply(all.slice(20));
			expect(await first.store.checkpoint()).toBe(60);
			await first.store.close();
		});

		test("one that has lost the index to another writes nothing, whether the other is still there or not", async () => {
			const all = history(60);
			const { writer: first, waits } = await impatientWriter();
			await first.apply(all.slice(0, 20));
			await endWriters();
			const { writer: second } = await impatientWriter();
			await second.apply(all.slice(20, 40));
			const before = await place.dump();
			await expectRefusal(
				untilAvailable(() => first.apply(all.slice(20, 40))),
				"is written by another: session ",
			);
			expect(waits()).toBe(29);
			await second.store.close();
			const again = () => untilAvailable(() => first.apply(all.slice(20, 40)));
			await expectRefusal(again(), "something else writes to it");
			expect(await place.dump()).toEqual(before);
			// Also if the checkpoint is where the first left it, as after a crash of the server.
			await place.sql((sql) => sql`UPDATE meta SET lsn = 20`);
			await expectRefusal(again(), "something else writes to it");
			expect(await place.dump()).toEqual({ ...before, checkpoint: 20 });
			await first.store.close();
		});

		test("a writer whose connection was lost takes its lock again", async () => {
			const all = history(40);
			const { writer: first } = await impatientWriter();
			await first.apply(all.slice(0, 20));
			await endWriters();
			await untilAvailable(() => first.apply(all.slice(20)));
			await expectRefusal(
				openPostgresStore(place.url, async () => {}),
				"is written by another: session ",
			);
			expect(await first.store.checkpoint()).toBe(40);
			await first.store.close();
		});
	});

	describe("a write", () => {
		test("whose connection ends between its statements leaves nothing, and is made again", async () => {
			const all = history(400);
			const { writer } = await impatientWriter();
			await writer.apply(all.slice(0, 200));
			const before = await place.dump();
			let outcome: unknown = null;
			await place.sql((sql) =>
				sql.begin(async (blocker) => {
					await blocker`LOCK TABLE account IN EXCLUSIVE MODE`;
					const applying = writer.apply(all.slice(200)).then(
						() => expect.unreachable("applied"),
						(error: unknown) => {
							outcome = error;
						},
					);
					// Its first statement is executed, and a later one waits.
					const waiting = () =>
						place.sql(
							(other) => other`SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'
								AND application_name LIKE 'standpipe writer %' AND datname = current_database()`,
						);
					while (outcome === null && (await waiting()).length === 0) await Bun.sleep(5);
					await endWriters();
					await applying;
				}),
			);
			expect(outcome).toBeInstanceOf(StoreUnavailable);
			expect(await place.dump()).toEqual(before);
			await untilAvailable(() => writer.apply(all.slice(200)));
			const whole = await makePlace();
			const other = await whole.writer();
			await other.apply(all);
			await other.store.close();
			expect(await place.dump()).toEqual(await whole.dump());
			await writer.store.close();
		});

		test("over another connection than its rows came by is not made", async () => {
			const all = history(60);
			const { writer } = await impatientWriter();
			await writer.apply(all.slice(0, 40));
			const load = writer.store.load.bind(writer.store);
			writer.store.load = async (keys) => {
				const loaded = await load(keys);
				// As after a crash of the server. The driver hears of it in a later turn of the event loop.
				await place.sql((sql) => sql`UPDATE meta SET lsn = 30`);
				await endWriters();
				while ((await writer.store.checkpoint().catch(() => null)) !== 30) await Bun.sleep(5);
				return loaded;
			};
			await expect(writer.apply(all.slice(40))).rejects.toBeInstanceOf(StoreUnavailable);
			writer.store.load = load;
			expect(await writer.apply(all.slice(40))).toMatchObject({ checkpoint: 30 });
			expect(await writer.apply(all.slice(30))).toMatchObject({ checkpoint: 60 });
			await writer.store.close();
		});

		test("that the database can't take is refused, and leaves nothing", async () => {
			const { writer } = await impatientWriter();
			await writer.apply(history(20));
			const before = await place.dump();
			const { rows } = await writer.store.load({
				dids: new Set(),
				hosts: new Set([1]),
				introduced: new Set(),
				recounted: new Set(),
			});
			const host = rows.host(1);
			if (host === null) return expect.unreachable("there is no host");
			const changes = {
				accounts: [],
				identities: [],
				outdated: [],
				policies: [],
				actions: [],
				takedowns: [],
				recounts: [],
			};
			const writing = writer.store.write(
				{ ...changes, hosts: [{ ...host, lastGap: "a\0b" }], hostIdMax: 3, unknownHostRecords: 0 },
				{ after: 20, last: 21 },
				LOG_ID,
			);
			await expectRefusal(writing, "invalid byte sequence");
			expect(await place.dump()).toEqual(before);
			await writer.store.close();
		});

		test("after which the database has gone back writes nothing, and what was lost is written again", async () => {
			const all = history(100);
			const { writer } = await impatientWriter();
			await writer.apply(all.slice(0, 50));
			await writer.apply(all.slice(50, 80));
			const applied = await place.dump();
			await place.sql((sql) => sql`UPDATE meta SET lsn = 50`);
			expect(await writer.apply(all.slice(80))).toMatchObject({ checkpoint: 50, takedowns: [] });
			expect(await place.dump()).toEqual({ ...applied, checkpoint: 50 });
			expect(await writer.apply(all.slice(50))).toMatchObject({ checkpoint: 100 });
			await writer.store.close();
			const whole = await makePlace();
			const other = await whole.writer();
			await other.apply(all);
			await other.store.close();
			expect(await place.dump()).toEqual(await whole.dump());
		});

		test("that is lost keeps a reader from answering with what was before it, until it is made again", async () => {
			const { writer } = await impatientWriter();
			let appliedLsn = 0;
			const reader = await openIndexReader(place.url, () => appliedLsn);
			expect(await reader.account("did:plc:a")).toBeNull();
			const all = [records.host(1), records.commit([1, 1], "did:plc:a", 1), records.commit([1, 2], "did:plc:b", 2)];
			await writer.apply(records.sequence(all));
			expect((await reader.account("did:plc:a"))?.hostSeq).toBe(1);
			appliedLsn = 3;
			await place.sql((sql) => sql`UPDATE meta SET lsn = 2`);
			const fresh = await openIndexReader(place.url, () => appliedLsn);
			for (const read of [
				() => reader.account("did:plc:a"),
				() => fresh.account("did:plc:absent"),
				() => fresh.identity("did:plc:a"),
				() => fresh.hosts(0, 10),
				() => fresh.hostByName("pds1.example.com"),
				() => fresh.hostIdMax(),
				() => fresh.takenDownSince(0, 10),
				() => fresh.policies("domainBan", "", 10),
				() => fresh.repos(0, 10),
			]) {
				const error = await read().catch((caught: unknown) => caught);
				expect(storeFaultReason(error)).toBe("database-behind");
			}
			expect(await fresh.checkpoint()).toBe(2);
			await fresh.close();
			await place.sql((sql) => sql`UPDATE meta SET lsn = 3`);
			expect((await reader.account("did:plc:b"))?.hostSeq).toBe(2);
			expect(await reader.account("did:plc:absent")).toBeNull();
			await reader.close();
			await writer.store.close();
		});

		test("after which the database is at another record is refused", async () => {
			const all = history(100);
			const { writer } = await impatientWriter();
			await writer.apply(all.slice(0, 50));
			await place.sql((sql) => sql`UPDATE meta SET lsn = 60`);
			await expectRefusal(writer.apply(all.slice(50)), "something else writes to it");
			await writer.store.close();
		});
	});

	describe("a start is refused, in one sentence without the password,", () => {
		test.each([
			["for a wrong password", (url: string) => url.replace("simulation", "wrong"), "password authentication failed"],
			["for a database that is not there", (url: string) => url.replace(/\/index_\d+\?/, "/absent?"), "does not exist"],
			["for a schema that is not there", (url: string) => url.replace(/place_\d+/, "absent"), "has no schema"],
		])("%s", async (_, change, sentence) => {
			await expectRefusal(openIndexWriter(change(place.url), NEW_LOG), sentence);
		});

		test.each([
			["whose statements have different sessions", "nextval('sessions')"],
			["that gives a second connection the session of the first", "7"],
		])("for a pooler %s", async (_, pid) => {
			// The server's own function is found after this one.
			await place.sql((sql) =>
				sql.unsafe(
					`CREATE SEQUENCE sessions; CREATE FUNCTION pg_backend_pid() RETURNS bigint LANGUAGE sql AS 'SELECT ${pid.replaceAll("'", "''")}::bigint'`,
				),
			);
			await expectRefusal(
				openIndexWriter(`${place.url}%2Cpg_catalog`, NEW_LOG),
				"gives each transaction another session",
			);
		});

		test("for another encoding than UTF8", async () => {
			const { name, url } = await server.newDatabase();
			await server.sql(
				`CREATE DATABASE ${name}_latin OWNER ${name} ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0`,
			);
			await expectRefusal(openIndexWriter(`${url}_latin`, NEW_LOG), "has the encoding LATIN1");
		});

		test("for a role that may make no tables", async () => {
			const { name, url } = await server.newDatabase();
			await server.sql(`CREATE ROLE ${name}_poor LOGIN PASSWORD 'poor'`);
			const poor = Object.assign(new URL(url), { username: `${name}_poor`, password: "poor" });
			await expectRefusal(openIndexWriter(poor.href, NEW_LOG), "permission denied for schema public");
		});

		test("for another program's tables, which stay as they are", async () => {
			for (const table of ["theirs", "meta"]) {
				const theirs = await makePlace();
				await theirs.sql((sql) => sql.unsafe(`CREATE TABLE ${table} (a int)`));
				await expectRefusal(openIndexWriter(theirs.url, NEW_LOG), "holds no index, but another program's tables");
				await expectRefusal(
					openIndexReader(theirs.url, () => 0),
					"holds no index",
				);
				const tables = await theirs.sql(
					(sql) => sql`SELECT tablename FROM pg_tables WHERE schemaname = current_schema()`,
				);
				expect([...tables]).toEqual([{ tablename: table }]);
			}
		});

		test("for an index of a newer version, with both numbers", async () => {
			await (await place.writer()).store.close();
			await place.sql((sql) => sql`UPDATE meta SET schema_version = 99`);
			const sentence = `schema version 99; this program uses schema version ${SCHEMA_VERSION}`;
			for (const open of [() => openIndexWriter(place.url, NEW_LOG), () => openIndexReader(place.url, () => 0)]) {
				await expect(open()).rejects.toBeInstanceOf(SchemaError);
				await expectRefusal(open(), sentence);
			}
		});

		test("for another log's index, and the lock is free after it", async () => {
			await (await place.writer()).store.close();
			const other = { ...NEW_LOG, id: "7d0c2a4e-1f6b-4c8d-8e3a-9b5f7a1c3e20", initialSeq: 5 };
			await expect(openIndexWriter(place.url, other)).rejects.toBeInstanceOf(ForeignIndexError);
			await (await place.writer()).store.close();
		});

		test("for a reader that comes before the writer", async () => {
			await expectRefusal(
				openIndexReader(place.url, () => 0),
				"holds no index",
			);
		});
	});

	describe("a session", () => {
		test("has limits of its own, and a reader's writes nothing", async () => {
			await (await place.writer()).store.close();
			const sessions = new Database(place.url, {
				...SESSION,
				settings: { default_transaction_read_only: "on", synchronous_commit: "off" },
			});
			const settings = await sessions.run(
				(sql) => sql<{ name: string; setting: string }[]>`SELECT name, setting FROM pg_settings WHERE name IN
					('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', 'synchronous_commit', 'bytea_output', 'array_nulls')`,
			);
			expect(Object.fromEntries(settings.map(({ name, setting }) => [name, setting]))).toEqual({
				array_nulls: "on",
				bytea_output: "hex",
				idle_in_transaction_session_timeout: "10000",
				lock_timeout: "2000",
				statement_timeout: "5000",
				synchronous_commit: "off",
			});
			const writing = sessions.run((sql) => sql`UPDATE meta SET lsn = 7`);
			expect(storeFaultReason(await writing.catch((error: unknown) => error))).toBe("database-read-only");
			await sessions.close();
		});

		test("a server that does not answer is given up after a while", async () => {
			const sessions = new Database(place.url, SESSION);
			const lost = sessions.connectionsLost;
			const [asleep, behind] = await Promise.allSettled([
				sessions.run((sql) => sql`SELECT pg_sleep(4)`, 200),
				sessions.run((sql) => sql`SELECT 1`),
			]);
			for (const one of [asleep, behind]) {
				expect(one.status).toBe("rejected");
				expect(storeFaultReason(one.status === "rejected" && one.reason)).toBe("database-unreachable");
			}
			expect(sessions.connectionsLost).toBeGreaterThan(lost);
			expect([...(await sessions.run((sql) => sql`SELECT 1 AS one`))]).toEqual([{ one: 1 }]);
			await sessions.close();
		});

		test("after its end runs nothing, and that is final", async () => {
			const sessions = new Database(place.url, SESSION);
			await sessions.run((sql) => sql`SELECT 1`);
			await sessions.close();
			await expectRefusal(
				sessions.run((sql) => sql`SELECT 1`),
				"is closed",
			);
		});

		test("takes arrays of any texts and bytes", async () => {
			const sessions = new Database(place.url, SESSION);
			const rng = new Rng("arrays");
			const odd = [..."a\"\\{},' \t\n$é💧", "NULL", "\\x00"];
			for (let round = 0; round < 100; round++) {
				const texts = Array.from({ length: rng.int(20) }, () =>
					rng.int(8) === 0 ? null : Array.from({ length: rng.int(6) }, () => rng.pick(odd)).join(""),
				);
				const bytes = texts.map((text) => (text === null ? null : Uint8Array.from(Buffer.from(text))));
				const rows = await sessions.run(
					(sql) => sql<{ text: string | null; bytes: Uint8Array | null }[]>`SELECT text, bytes::bytea AS bytes
						FROM unnest(${arrayOf(texts)}::text[], ${arrayOf(bytes)}::text[]) AS row (text, bytes)`,
				);
				expect(rows.map(({ text }) => text)).toEqual(texts);
				expect(rows.map(({ bytes }) => bytes)).toEqual(bytes);
			}
			await sessions.close();
		});
	});

	describe("rows", () => {
		test("a number beyond those that are exact is refused", async () => {
			const writer = await place.writer();
			await writer.apply(records.sequence([records.host(1), records.commit([1, 1], "did:plc:a", 1)]));
			await place.sql((sql) => sql`UPDATE account SET host_seq = 9007199254740991`);
			expect(await writer.store.account("did:plc:a")).toMatchObject({ hostSeq: Number.MAX_SAFE_INTEGER });
			await place.sql((sql) => sql`UPDATE account SET host_seq = 9007199254740992`);
			await expectRefusal(writer.store.account("did:plc:a"), "9007199254740992");
			await writer.store.close();
		});

		test("of accounts change in their page: no index has a column that a commit changes", async () => {
			await (await place.writer()).store.close();
			const columns = await place.sql(
				(sql) => sql`SELECT DISTINCT attname FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND
					(attnum = ANY (indkey) OR pg_get_expr(indpred, indrelid) ~ attname) WHERE indrelid = 'account'::regclass`,
			);
			expect(columns.map((row) => row["attname"]).sort()).toEqual([
				"did",
				"host",
				"id",
				"status_lsn",
				"taken_down",
				"waiting_since_us",
			]);
		});

		test.each([
			["takedowns", "SELECT did FROM account WHERE taken_down AND status_lsn >= 1 ORDER BY status_lsn DESC LIMIT 5"],
			["pages of repos", "SELECT did FROM account WHERE id > 7 AND commit_cid IS NOT NULL ORDER BY id LIMIT 5"],
			["pages of hosts", "SELECT hostname FROM host WHERE id > 7 ORDER BY id LIMIT 5"],
			["many DIDs", "SELECT id FROM account WHERE did = ANY ('{a,b}'::text[])"],
			["policies that are not told", "SELECT key FROM policy WHERE kind = 'a' AND key > 'b' AND NOT told ORDER BY key"],
		])("%s are found without a scan or a sort", async (_, statement) => {
			await (await place.writer()).store.close();
			const plan = await place.sql((sql) =>
				sql.begin(async (transaction) => {
					await transaction`SET LOCAL enable_seqscan = off`;
					await transaction`SET LOCAL enable_bitmapscan = off`;
					return await transaction.unsafe(`EXPLAIN ${statement}`);
				}),
			);
			const lines = plan.map((row) => String(row["QUERY PLAN"])).join("\n");
			expect(lines).toContain("Index");
			expect(lines).not.toContain("Sort");
			expect(lines).not.toContain("Seq Scan");
		});
	});
});
