import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { Stall } from "../../../src/disk/stall.ts";
import { openIndexReader, openIndexWriter } from "../../../src/index/open.ts";
import { IndexSink } from "../../../src/index/sink.ts";
import type { IndexReader } from "../../../src/index/store.ts";
import { type StoreFaultReason, StoreUnavailable, storeFaultReason } from "../../../src/index/store-fault.ts";
import type { IndexWriter } from "../../../src/index/writer.ts";
import { Follower } from "../../../src/log/follower.ts";
import { Rng } from "../../../src/sim/rng.ts";
import { onCleanup, TestLog, temporaryDirectory } from "../../log/harness.ts";
import { MemoryFs } from "../../log/local/memory-fs.ts";
import { type PostgresDatabase, PostgresServer } from "../../sim/postgres.ts";
import { describeWithPostgres } from "../../sim/postgres-programs.ts";
import { atMessage, COMMITTED_UNHEARD, PostgresProxy } from "../../sim/postgres-proxy.ts";
import { SmallDisk } from "../../sim/small-disk.ts";
import type { ConnectionFault } from "../../sim/tcp-proxy.ts";
import * as records from "../records.ts";
import { history, NEW_LOG } from "../store-cases.ts";

const MIB = 1024 * 1024;
const POLL_MS = 2;
/** More messages than a batch needs, from its connection on. */
const MESSAGES_MAX = 80;

/** Many times longer than anything here takes. It lets a test fail that would wait for ever. */
const WAIT_MS_MAX = 120_000;

async function until(condition: () => boolean): Promise<void> {
	const giveUpAtMs = performance.now() + WAIT_MS_MAX;
	while (!condition()) {
		if (performance.now() > giveUpAtMs) throw new Error(`after ${WAIT_MS_MAX} ms: not (${condition})`);
		await Bun.sleep(POLL_MS);
	}
}

/** A log, and an index that follows it by way of a proxy, as the index thread does. */
class Bench {
	readonly database: PostgresDatabase;
	readonly proxy: PostgresProxy;
	readonly writer: IndexWriter;
	readonly log = new TestLog(temporaryDirectory(), new MemoryFs());
	/** Reasons of the stalls, in order. */
	readonly reasons: StoreFaultReason[] = [];
	#reason: StoreFaultReason | null = null;
	#applied = 0;
	#failure: unknown = null;
	readonly #follower: Follower;

	private constructor(database: PostgresDatabase, proxy: PostgresProxy, writer: IndexWriter) {
		this.database = database;
		this.proxy = proxy;
		this.writer = writer;
		this.#follower = this.#follow(writer, (lsn) => {
			this.#applied = lsn;
		});
	}

	/** @param diskBytes as `newDatabase` */
	static async open(server: PostgresServer, diskBytes: number | null = null): Promise<Bench> {
		const database = await server.newDatabase(diskBytes);
		const proxy = await PostgresProxy.start(database.url);
		onCleanup(() => proxy.tcp.stop());
		const bench = new Bench(database, proxy, await openIndexWriter(proxy.url, NEW_LOG));
		await server.sqlIn(database, ...NOTE_MOVES);
		const running = bench.#follower.run().catch((error: unknown) => {
			bench.#failure = error;
		});
		onCleanup(async () => {
			bench.#follower.stop();
			await running;
			await bench.writer.store.close();
		});
		return bench;
	}

	/** Appends records to the log, as one batch of it. */
	append(list: readonly records.Unsequenced[]): void {
		this.log.append(...list.map((record) => ({ ...record, seqStart: 0, seqEnd: 0 })));
	}

	/** Whether the index has all that the log has. */
	get isDone(): boolean {
		if (this.#failure !== null) throw this.#failure;
		return this.#reason === null && this.#applied === this.log.position.snapshot().lastLsn;
	}

	done(): Promise<void> {
		return until(() => this.isDone);
	}

	/** Waits until the index has stalled for this reason, or does so again. */
	async stalls(reason: StoreFaultReason): Promise<void> {
		await until(() => {
			if (this.#failure !== null) throw this.#failure;
			return this.#reason === reason;
		});
	}

	/** Expects the rows that SQLite has of the same log, and that each part of the log was written once. */
	async expectRows(server: PostgresServer): Promise<void> {
		const sqlite = await openIndexWriter("sqlite://:memory:", NEW_LOG);
		let applied = 0;
		const follower = this.#follow(sqlite, (lsn) => {
			applied = lsn;
		});
		await follower.catchUp();
		expect(applied).toBe(this.log.position.snapshot().lastLsn);
		const reader = await openIndexReader(this.database.url, () => 0);
		expect(await rowsOf(reader)).toEqual(await rowsOf(sqlite.store));
		await reader.close();
		await sqlite.store.close();
		const moves = (await server.sqlIn(this.database, "SELECT lsn FROM test.move ORDER BY at")).map(Number);
		expect(moves).toEqual([...new Set(moves)].sort((a, b) => a - b));
		expect(moves.at(-1)).toBe(applied);
	}

	#follow(writer: IndexWriter, onMove: (lsn: number) => void): Follower {
		const { counters, position } = this.log;
		return new Follower({
			sink: new IndexSink({ writer, counters, onTakedowns: () => {}, onRecounts: () => {} }),
			log: this.log.reader(),
			position,
			mark: { move: onMove },
			stall: new Stall({
				part: "index",
				counters,
				reasonOf: storeFaultReason,
				clock: () => performance.now(),
				onChange: (reason) => {
					this.#reason = reason;
					if (reason !== null) this.reasons.push(reason);
				},
			}),
			sleep: (ms) => Bun.sleep(Math.min(ms, 10)),
		});
	}
}

/** Notes each move of the checkpoint, in the transaction that makes it. */
const NOTE_MOVES = [
	"CREATE SCHEMA test",
	"CREATE TABLE test.move (at bigserial, lsn bigint)",
	`CREATE FUNCTION test.note() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN INSERT INTO test.move (lsn) VALUES (NEW.lsn); RETURN NULL; END $$`,
	"CREATE TRIGGER note AFTER UPDATE OF lsn ON meta FOR EACH ROW EXECUTE FUNCTION test.note()",
];

const DIDS = Array.from({ length: 20 }, (_, at) => `did:plc:account${at}`);
const ROWS_MAX = 1_000_000;

/** All rows that a history can have made. */
async function rowsOf(reader: IndexReader): Promise<object> {
	return {
		hosts: await reader.hosts(0, ROWS_MAX),
		repos: await reader.repos(0, ROWS_MAX),
		accounts: await Promise.all(DIDS.map((did) => reader.account(did))),
		identities: await Promise.all(DIDS.map((did) => reader.identity(did))),
		takenDown: await reader.takenDownSince(0, ROWS_MAX),
		checkpoint: await reader.checkpoint(),
		hostIdMax: await reader.hostIdMax(),
	};
}

describeWithPostgres("the index in PostgreSQL", (programs) => {
	let server: PostgresServer;
	beforeAll(async () => {
		server = await PostgresServer.start(programs);
	}, 300_000);
	afterEach(() => server.heal());
	afterAll(() => server.stop(), 300_000);

	test("a commit whose answer is lost is applied once", async () => {
		const bench = await Bench.open(server);
		const all = history(300, 21);
		for (let at = 0; at < all.length; at += 30) {
			const happened = bench.proxy.arm(COMMITTED_UNHEARD);
			bench.append(all.slice(at, at + 30));
			await happened;
			await bench.done();
		}
		expect(bench.reasons.filter((reason) => reason === "database-unreachable").length).toBeGreaterThanOrEqual(10);
		await bench.expectRows(server);
	}, 300_000);

	test.each([1, 2, 3, 4])(
		"connections that end at any message of any batch leave the rows of the whole history (seed %d)",
		async (seed) => {
			const bench = await Bench.open(server);
			const rng = new Rng(`faults ${seed}`);
			const all = history(1_000, 30 + seed);
			let faults = 0;
			for (let at = 0, end = 0; at < all.length; at = end) {
				end = at + 1 + rng.int(40);
				const fault = rng.pick<ConnectionFault>(["close", "reset"]);
				const happened = bench.proxy.arm(atMessage(rng.int(MESSAGES_MAX), rng.pick(["before", "after"]), fault));
				bench.append(all.slice(at, end));
				void happened.then(() => faults++);
				await Promise.race([happened, bench.done()]);
				// The next fault may come before this one is over.
				if (rng.int(2) === 0) await bench.done();
			}
			bench.proxy.disarm();
			await bench.done();
			expect(faults).toBeGreaterThan(5);
			expect(bench.reasons).toContain("database-unreachable");
			await bench.expectRows(server);
		},
		300_000,
	);

	test.each(["swallow", "freeze"] as const)(
		"a connection on which nothing comes any more is given up: %s",
		async (fault) => {
			const bench = await Bench.open(server);
			const all = history(200, 40);
			bench.append(all.slice(0, 100));
			await bench.done();
			const happened = bench.proxy.arm({
				at: ({ from, type }) => from === "server" && type === "C",
				order: "before",
				fault,
			});
			bench.append(all.slice(100));
			await happened;
			await bench.stalls("database-unreachable");
			await bench.done();
			await bench.expectRows(server);
		},
		300_000,
	);

	/** What can happen to a server, each with the reason of the stall. */
	const faults: [name: string, StoreFaultReason, begin: (bench: Bench) => Promise<() => Promise<void>>][] = [
		[
			"the server is killed",
			"database-unreachable",
			async () => {
				await server.kill();
				return () => server.start();
			},
		],
		[
			"the server is frozen",
			"database-unreachable",
			async () => {
				await server.freeze();
				return async () => server.thaw();
			},
		],
		[
			"the server takes no connections",
			"database-unreachable",
			async ({ proxy }) => {
				await proxy.tcp.refuse();
				proxy.tcp.disturb("reset");
				return () => proxy.tcp.accept();
			},
		],
		[
			"the role has no connection left",
			"database-unreachable",
			async ({ database }) => {
				await server.sql(`ALTER ROLE ${database.name} CONNECTION LIMIT 0`);
				await server.terminateSessions(database);
				return async () => void (await server.sql(`ALTER ROLE ${database.name} CONNECTION LIMIT -1`));
			},
		],
		[
			"the password is another",
			"database-unreachable",
			async ({ database }) => {
				await server.sql(`ALTER ROLE ${database.name} PASSWORD 'another'`);
				await server.terminateSessions(database);
				const { password } = new URL(database.url);
				return async () => void (await server.sql(`ALTER ROLE ${database.name} PASSWORD '${password}'`));
			},
		],
		[
			"the server takes no writes",
			"database-read-only",
			async () => {
				await server.setReadOnly(true);
				return () => server.setReadOnly(false);
			},
		],
		["another session locks a table", "database-slow", ({ database }) => server.holdLock(database, "account")],
		[
			"statements take too long",
			"database-slow",
			async ({ database }) => {
				await server.sqlIn(database, ...SLOW_WRITES);
				return async () => void (await server.sqlIn(database, "UPDATE test.slow SET seconds = 0"));
			},
		],
	];

	test.each(faults)(
		"%s: the index stalls (%s), and goes on by itself",
		async (_, reason, begin) => {
			const bench = await Bench.open(server);
			const all = history(600, 50);
			bench.append(all.slice(0, 200));
			await bench.done();
			const end = await begin(bench);
			bench.append(all.slice(200, 400));
			await bench.stalls(reason);
			bench.append(all.slice(400));
			await end();
			await bench.done();
			await bench.expectRows(server);
		},
		300_000,
	);

	const hasDisk = SmallDisk.isAllowed();
	test.skipIf(!hasDisk)(
		`the disk is full: the index stalls, and goes on by itself${hasDisk ? "" : " (skipped: this machine lets nobody mount one)"}`,
		async () => {
			const bench = await Bench.open(server, 24 * MIB);
			bench.append([records.host(1)]);
			await bench.done();
			bench.database.disk?.fill();
			// New rows need new pages.
			for (let at = 0; at < 40; at++)
				bench.append(
					Array.from({ length: 50 }, (_, row) => records.commit([1, 50 * at + row], `did:plc:${at}-${row}`, row)),
				);
			await bench.stalls("database-full");
			bench.database.disk?.free();
			await bench.done();
			await bench.expectRows(server);
		},
		300_000,
	);

	test("a server that is killed right after an index was made has it, and knows whose it is", async () => {
		for (let round = 0; round < 5; round++) {
			const { url } = await server.newDatabase();
			const { store } = await openIndexWriter(url, NEW_LOG);
			await server.kill();
			await server.start();
			expect(await untilRead(() => store.logId())).toBe(NEW_LOG.id);
			await store.close();
		}
	}, 300_000);

	test("sessions that an administrator ends, again and again while records come, cost nothing but time", async () => {
		const bench = await Bench.open(server);
		const all = history(1_000, 60);
		for (let at = 0; at < all.length; at += 50) {
			bench.append(all.slice(at, at + 50));
			await server.terminateSessions(bench.database);
		}
		await bench.done();
		await bench.expectRows(server);
	}, 300_000);

	describe("a reader", () => {
		test("fails soon when the server does not answer, says why, and reads again later", async () => {
			const bench = await Bench.open(server);
			bench.append(history(200, 70));
			await bench.done();
			const reader = await openIndexReader(bench.database.url, () => 0);
			onCleanup(() => reader.close());
			const before = await rowsOf(reader);
			// Otherwise the last records are lost with the server, until its writer goes on.
			await server.sql("CHECKPOINT");
			for (const [begin, end] of [
				[() => server.kill(), () => server.start()],
				[() => server.freeze(), async () => server.thaw()],
			] as const) {
				await begin();
				const reads = [reader.account("did:plc:account1"), reader.hosts(0, 10), reader.checkpoint()];
				for (const read of await Promise.allSettled(reads)) {
					if (read.status === "fulfilled") throw new Error("nobody can have answered");
					expect(read.reason).toBeInstanceOf(StoreUnavailable);
					expect(storeFaultReason(read.reason)).toBe("database-unreachable");
				}
				await end();
				const again = await untilRead(() => rowsOf(reader));
				expect(again).toEqual(before);
			}
		}, 300_000);
	});
});

/** Reads as a patient reader does. */
async function untilRead<Result>(read: () => Promise<Result>): Promise<Result> {
	for (;;) {
		try {
			return await read();
		} catch (error) {
			if (storeFaultReason(error) === null) throw error;
		}
		await Bun.sleep(POLL_MS);
	}
}

/** Writes of accounts wait for as long as a table says. */
const SLOW_WRITES = [
	"CREATE TABLE test.slow AS SELECT 3600 AS seconds",
	`CREATE FUNCTION test.wait() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN PERFORM pg_sleep((SELECT seconds FROM test.slow)); RETURN NEW; END $$`,
	"CREATE TRIGGER wait BEFORE INSERT OR UPDATE ON account FOR EACH STATEMENT EXECUTE FUNCTION test.wait()",
];
