import { Database } from "bun:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { copyFileSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isTakenDown } from "../../../src/account/status.ts";
import { SchemaError } from "../../../src/index/sqlite/schema.ts";
import { openSqliteReader } from "../../../src/index/sqlite/store.ts";
import { decodeHostFacts } from "../../../src/log/record/control.ts";
import { RecordKind } from "../../../src/log/record/record.ts";
import type { StoredRecord } from "../../../src/log/record/stored-record.ts";
import * as records from "../records.ts";
import { openWriter } from "../writer.ts";

let folder: string;
let path: string;
beforeEach(() => {
	folder = mkdtempSync(join(tmpdir(), "standpipe-index-"));
	path = join(folder, "new", "index.sqlite");
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A history with everything in it, the same for the same arguments. */
function history(length: number, seed = 1): StoredRecord[] {
	let state = seed;
	const below = (limit: number): number => {
		state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
		return Math.floor((state / 0x80000000) * limit);
	};
	const list = [records.host(1), records.host(2), records.host(3, { insecure: true })];
	for (let at = list.length; at < length; at++) {
		const from: [number, number] = [1 + below(3), at];
		const did = `did:plc:account${below(20)}`;
		const statuses = [null, null, "deleted", "deactivated", "takendown"];
		const makers = [
			() => records.commit(from, did, at),
			() => records.commit(from, did, at),
			() => records.sync(from, did, at),
			() => records.identity(from, did, 0, below(1000)),
			() => records.account(from, did, statuses[below(5)] ?? null, below(1000)),
			() => records.didDocument(did, `did:key:${at}`, below(9) === 0),
			() => records.cursors([from[0], below(9) === 0 ? null : at]),
			() => records.host(from[0], { status: below(2) === 0 ? "offline" : "active" }),
		];
		list.push(makers[below(makers.length)]?.() ?? records.identity(from, did));
	}
	return records.sequence(list);
}

/** Every row of every table. */
function dump(of = path): unknown {
	const database = new Database(of, { readonly: true });
	const tables = ["host", "account", "identity", "checkpoint"];
	const rows = tables.map((table) => database.query(`SELECT * FROM ${table} ORDER BY 1`).all());
	database.close();
	return rows;
}

/** Takes a database of this version back to version 4. */
function toVersion4(database: Database): void {
	database.run("DROP INDEX account_taken_down");
	database.run("ALTER TABLE account DROP COLUMN taken_down");
	database.run(`CREATE INDEX account_taken_down ON account (status_seq)
		WHERE (local_status IN ('takendown', 'suspended', 'deleted')
			OR (upstream_active = 0 AND upstream_status IN ('takendown', 'suspended', 'deleted')))`);
	database.run("PRAGMA user_version = 4");
}

/** The counts that the hosts' rows should have. */
function trueCounts(of = path): unknown {
	const database = new Database(of, { readonly: true });
	const wrong = database
		.query(
			`SELECT id FROM host WHERE account_count <>
				(SELECT count(*) FROM account WHERE host = host.id AND upstream_status IS NOT 'deleted')`,
		)
		.all();
	database.close();
	return wrong;
}

describe("reading", () => {
	test("gives back what was written", async () => {
		const writer = openWriter(path);
		const did = "did:web:example.com";
		const seq = Number.MAX_SAFE_INTEGER;
		await writer.apply(
			records.sequence([
				records.host(1, { hostname: "localhost:2583", insecure: true, status: "throttled" }),
				records.commit([1, seq], did, 1),
				records.account([1, seq], did, "suspended", 1_700_000_000_123),
				records.didDocument(did, null, true),
				records.cursors([1, seq - 1]),
			]),
		);
		const host = {
			id: 1,
			hostname: "localhost:2583",
			insecure: true,
			status: "throttled" as const,
			cursor: seq - 1,
			gaps: 0,
			lastGap: null,
			accountCount: 1,
		};
		expect(await writer.store.hostByName("localhost:2583")).toEqual(host);
		expect(await writer.store.hosts(0, 10)).toEqual([host]);
		expect(await writer.store.account(did)).toEqual({
			id: 1,
			did,
			host: 1,
			hostSeq: seq,
			lastTimeMs: 1_700_000_000_123,
			upstreamActive: false,
			upstreamStatus: "suspended",
			statusSeq: 3,
			localStatus: null,
			rev: records.rev(1),
			commit: records.cid(1),
			data: records.cid(2),
		});
		expect(await writer.store.identity(did)).toEqual({
			did,
			signingKey: null,
			pds: "https://pds.example.com",
			tombstoned: true,
			resolvedAtMs: 1_700_000_000_000,
		});
		expect(await writer.store.checkpoint()).toBe(5);
		await writer.store.close();
	});

	test("forgets what a DID resolved to once it announced another identity, if nothing newer was resolved", async () => {
		const writer = openWriter(path);
		const did = "did:plc:a";
		const later = { ...records.identity([1, 2], did), timeUs: (1_700_000_000_000 + 3_600_000) * 1000 };
		await writer.apply(records.sequence([records.didDocument(did, "did:key:one"), records.identity([1, 1], did)]));
		expect(await writer.store.identity(did)).not.toBeNull();
		await writer.apply(records.sequence([later], 3));
		expect(await writer.store.identity(did)).toBeNull();
		await writer.store.close();
	});

	test("gives null for what is not there", async () => {
		const writer = openWriter(path);
		const nothing = [
			writer.store.account("did:plc:x"),
			writer.store.identity("did:plc:x"),
			writer.store.hostByName("x.com"),
		];
		expect(await Promise.all(nothing)).toEqual([null, null, null]);
		expect(await writer.store.checkpoint()).toBe(0);
		await writer.store.close();
	});

	test("pages hosts and repos by id; accounts without a repo are not among the latter", async () => {
		const writer = openWriter(path);
		const list = [1, 2, 3].map((id) => records.host(id));
		for (const at of [1, 2, 3, 4, 5]) {
			const did = `did:plc:${at}`;
			list.push(at === 3 ? records.account([1, at], did, null) : records.commit([1, at], did, at));
		}
		await writer.apply(records.sequence(list));
		expect((await writer.store.hosts(1, 1)).map(({ id }) => id)).toEqual([2]);
		expect((await writer.store.hosts(3, 10)).length).toBe(0);
		expect((await writer.store.repos(0, 3)).map(({ did }) => did)).toEqual(["did:plc:1", "did:plc:2", "did:plc:4"]);
		expect((await writer.store.repos(4, 3)).map(({ did }) => did)).toEqual(["did:plc:5"]);
		await writer.store.close();
	});

	test("another handle sees each batch as soon as it is applied", async () => {
		const writer = openWriter(path);
		const reader = openSqliteReader(path);
		for (let seq = 1; seq <= 50; seq++) {
			await writer.apply(records.sequence([records.commit([1, seq], "did:plc:a", seq)], seq));
			expect(await reader.checkpoint()).toBe(seq);
			expect((await reader.account("did:plc:a"))?.hostSeq).toBe(seq);
		}
		await reader.close();
		await writer.store.close();
	});

	test("on another thread, while batches are applied, sees whole batches only", async () => {
		const writer = openWriter(path);
		await writer.apply(records.sequence([records.host(1), records.host(2)]));
		const script = `
			import { Database } from "bun:sqlite";
			const database = new Database(${JSON.stringify(path)}, { readonly: true });
			database.run("PRAGMA busy_timeout = 5000");
			const both = database.query("SELECT ifnull(a.cursor, 0) AS a, ifnull(b.cursor, 0) AS b FROM host a, host b WHERE a.id = 1 AND b.id = 2");
			let seen = 0;
			for (let last = 0; last < 1000; ) {
				const { a, b } = both.get();
				if (a !== b || a < last) throw new Error("saw half a batch: " + a + ", " + b);
				if (a > last) seen++;
				if (a > 0 && last === 0) postMessage("reading");
				last = a;
			}
			postMessage(seen);
		`;
		const url = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
		const thread = new Worker(url);
		const finished = Promise.withResolvers<number>();
		const reading = Promise.withResolvers<void>();
		thread.onmessage = ({ data }) => (data === "reading" ? reading.resolve() : finished.resolve(data));
		thread.onerror = ({ message }) => {
			reading.reject(new Error(message));
			finished.reject(new Error(message));
		};
		const applyPair = (at: number): Promise<unknown> =>
			writer.apply(records.sequence([records.cursors([1, at]), records.cursors([2, at])], 2 * at + 1));
		await applyPair(1);
		await reading.promise;
		for (let at = 2; at <= 1000; at++) await applyPair(at);
		expect(await finished.promise).toBeGreaterThan(1);
		URL.revokeObjectURL(url);
		await writer.store.close();
	});
});

describe("applying", () => {
	test("nothing changes nothing", async () => {
		const writer = openWriter(path);
		await writer.apply([]);
		expect(await writer.store.checkpoint()).toBe(0);
		await writer.store.close();
	});

	test.each([1, 7, 100, 1000])("in batches of %d leads to the same rows, with true counts", async (size) => {
		const all = history(1000);
		const writer = openWriter(path);
		for (let at = 0; at < all.length; at += size) await writer.apply(all.slice(at, at + size));
		await writer.store.close();
		const other = join(folder, "whole.sqlite");
		const whole = openWriter(other);
		await whole.apply(all);
		await whole.store.close();
		expect(dump()).toEqual(dump(other));
		expect(trueCounts()).toEqual([]);
	});

	test("from any later record on, as after a loss of the index, makes up no host and miscounts none", async () => {
		const all = history(1000, 4);
		for (const start of [1, 2, 3, 50, 400, 900, 990]) {
			const rest = all.slice(start);
			const named = new Set(
				rest.flatMap(({ kind, facts }) => (kind === RecordKind.host ? decodeHostFacts(facts).id : [])),
			);
			const dumps = [1, 7, 1000].map(async (size) => {
				const file = join(folder, `lost-${start}-${size}.sqlite`);
				const writer = openWriter(file);
				for (let at = 0; at < rest.length; at += size) await writer.apply(rest.slice(at, at + size));
				expect((await writer.store.hosts(0, 10)).map(({ id }) => id)).toEqual([...named].sort());
				expect(await writer.store.hostIdMax()).toBe(3);
				await writer.store.close();
				expect(trueCounts(file)).toEqual([]);
				return dump(file);
			});
			const [first, ...others] = await Promise.all(dumps);
			for (const other of others) expect(other).toEqual(first);
		}
	});

	test("again from an earlier checkpoint leads to the same rows", async () => {
		const all = history(1000, 2);
		const writer = openWriter(path);
		await writer.apply(all);
		const before = dump();
		for (const start of [999, 700, 3, 0]) {
			await writer.apply(all.slice(start));
			expect(dump()).toEqual(before);
		}
		await writer.store.close();
	});

	test("after a crash goes on from the rows and checkpoint of the last whole batch", async () => {
		const all = history(900, 3);
		const writer = openWriter(path);
		await writer.apply(all.slice(0, 400));
		await writer.apply(all.slice(400, 500));
		// What the process leaves when it is killed: the database and its write-ahead log, closed by nobody.
		const crashed = join(folder, "crashed.sqlite");
		for (const suffix of ["", "-wal"]) copyFileSync(path + suffix, crashed + suffix);
		await writer.apply(all.slice(500));
		await writer.store.close();
		const restarted = openWriter(crashed);
		expect(await restarted.store.checkpoint()).toBe(500);
		await restarted.apply(all.slice(await restarted.store.checkpoint()));
		await restarted.store.close();
		expect(dump(crashed)).toEqual(dump());
	});

	test("fails as a whole: neither rows nor checkpoint of a bad batch are kept", async () => {
		const writer = openWriter(path);
		await writer.apply(records.sequence([records.host(1)]));
		const before = dump();
		const clash = [records.commit([1, 1], "did:plc:a", 1), records.host(2, { hostname: "pds1.example.com" })];
		await expect(writer.apply(records.sequence(clash, 2))).rejects.toThrow("UNIQUE");
		expect(dump()).toEqual(before);
		await writer.store.close();
	});

	test("closing brings everything into the database file itself", async () => {
		const writer = openWriter(path);
		await writer.apply(history(100));
		const before = dump();
		await writer.store.close();
		const alone = join(folder, "alone.sqlite");
		copyFileSync(path, alone);
		expect(dump(alone)).toEqual(before);
	});
});

describe("opening", () => {
	test("keeps what an earlier start wrote", async () => {
		const first = openWriter(path);
		await first.apply(history(100));
		await first.store.close();
		const second = openWriter(path);
		expect(await second.store.checkpoint()).toBe(100);
		await second.store.close();
	});

	test("brings a database of version 2 up to this version, and keeps its rows", async () => {
		const writer = openWriter(path);
		await writer.apply(history(100));
		await writer.store.close();
		const old = new Database(path);
		old.run("UPDATE account SET last_time_ms = 0");
		const before = dump();
		toVersion4(old);
		old.run("ALTER TABLE host ADD COLUMN seq_max INTEGER NOT NULL DEFAULT 7");
		old.run("ALTER TABLE host DROP COLUMN gaps");
		old.run("ALTER TABLE host DROP COLUMN last_gap");
		old.run("ALTER TABLE account DROP COLUMN last_time_ms");
		old.run("ALTER TABLE checkpoint DROP COLUMN host_id_max");
		old.run("PRAGMA user_version = 2");
		old.close();
		expect(() => openSqliteReader(path)).toThrow("schema version 2");
		const migrated = openWriter(path);
		expect(await migrated.store.checkpoint()).toBe(100);
		await migrated.apply(records.sequence([records.account([1, 5], "did:plc:new", null, 9)], 101));
		expect(await migrated.store.account("did:plc:new")).toMatchObject({ hostSeq: 5, lastTimeMs: 9 });
		await migrated.store.close();
		const [hosts, accounts] = dump() as unknown[][];
		const [hostsBefore, accountsBefore] = before as unknown[][];
		expect(hosts?.length).toBe(hostsBefore?.length ?? 0);
		expect(Object.keys(hosts?.[0] ?? {}).sort()).toEqual(Object.keys(hostsBefore?.[0] ?? {}).sort());
		expect(accounts?.slice(0, -1)).toEqual(accountsBefore);
	});

	test("brings a database of version 3 up to this version: made-up hosts go, and nobody gets their ids", async () => {
		const writer = openWriter(path);
		await writer.apply(records.sequence([records.host(1), records.host(4, { hostname: "host-4.invalid" })]));
		await writer.apply(records.sequence([records.host(5, { hostname: "host-4.invalid.example.com" })], 3));
		await writer.apply(records.sequence([records.commit([6, 1], "did:plc:a", 1)], 4));
		await writer.store.close();
		const old = new Database(path);
		toVersion4(old);
		old.run("ALTER TABLE checkpoint DROP COLUMN host_id_max");
		old.run("PRAGMA user_version = 3");
		old.close();
		const migrated = openWriter(path);
		expect(await migrated.store.checkpoint()).toBe(4);
		expect(await migrated.store.hostIdMax()).toBe(6);
		expect((await migrated.store.hosts(0, 10)).map(({ id }) => id)).toEqual([1, 5]);
		await migrated.store.close();
	});

	test("brings a database of version 4 up to this version: who is taken down stays so", async () => {
		await openWriter(path).store.close();
		const old = new Database(path);
		toVersion4(old);
		const insert = old.prepare(`INSERT INTO account
			(did, host, host_seq, last_time_ms, upstream_active, upstream_status, local_status, status_seq)
			VALUES (?, 1, 1, 0, ?, ?, ?, ?)`);
		const statuses = [null, "takendown", "suspended", "deactivated", "deleted", "odd"];
		const taken: string[] = [];
		let seq = 0;
		for (const localStatus of statuses)
			for (const upstreamStatus of statuses)
				for (const upstreamActive of [true, false]) {
					const did = `did:plc:${++seq}`;
					insert.run(did, upstreamActive, upstreamStatus, localStatus, seq);
					if (isTakenDown({ localStatus, upstreamStatus, upstreamActive })) taken.unshift(did);
				}
		old.close();
		const { store } = openWriter(path);
		expect((await store.takenDownSince(0, 100)).map(({ did }) => did)).toEqual(taken);
		expect(taken.length).toBeGreaterThan(20);
		await store.close();
	});

	test("another schema version is refused by its number", () => {
		openWriter(path).store.close();
		const database = new Database(path);
		database.run("PRAGMA user_version = 99");
		database.close();
		for (const open of [openSqliteReader, openWriter]) {
			expect(() => open(path)).toThrow(SchemaError);
			expect(() => open(path)).toThrow("schema version 99; this program uses schema version 5");
		}
	});

	test("somebody else's database is refused, and not changed", () => {
		const other = join(folder, "other.sqlite");
		const database = new Database(other);
		database.run("CREATE TABLE theirs (a)");
		expect(() => openWriter(other)).toThrow("holds no index");
		expect(database.query("SELECT name FROM sqlite_schema").all()).toEqual([{ name: "theirs" }]);
		database.close();
	});

	test("a reader does not make what is absent", () => {
		expect(() => openSqliteReader(join(folder, "absent.sqlite"))).toThrow();
		expect(existsSync(join(folder, "absent.sqlite"))).toBe(false);
	});
});

describe("takedowns", () => {
	const statuses = [null, "takendown", "deactivated", "suspended", "deleted", "desynchronized"];

	test("are the statuses that take an account's content away, and survive a restart", async () => {
		const writer = openWriter(path);
		const told = await writer.apply(
			records.sequence(statuses.map((status, at) => records.account([1, at + 1], `did:plc:${at}`, status))),
		);
		expect(told.takedowns.map(({ takenDownSinceSeq }) => takenDownSinceSeq)).toEqual([null, 2, null, 4, 5, null]);
		await writer.store.close();
		const reader = openSqliteReader(path);
		const taken = [5, 4, 2].map((seq) => ({ did: `did:plc:${seq - 1}`, takenDownSinceSeq: seq }));
		expect(await reader.takenDownSince(1, 10)).toEqual(taken);
		expect(await reader.takenDownSince(3, 10)).toEqual(taken.slice(0, 2));
		expect(await reader.takenDownSince(1, 1)).toEqual(taken.slice(0, 1));
		await reader.close();
	});

	test("of the operator hold whatever the host says", async () => {
		const writer = openWriter(path);
		await writer.apply(records.sequence([records.account([1, 1], "did:plc:a", null)]));
		const database = new Database(path);
		database.run("UPDATE account SET local_status = 'takendown'");
		database.close();
		const told = await writer.apply(records.sequence([records.account([1, 2], "did:plc:a", null)], 2));
		expect(told.takedowns).toEqual([{ did: "did:plc:a", takenDownSinceSeq: 2 }]);
		await writer.store.close();
	});

	test("are found without looking at all accounts", () => {
		openWriter(path).store.close();
		const database = new Database(path, { readonly: true });
		const plan = database
			.query<{ detail: string }, []>(
				`EXPLAIN QUERY PLAN SELECT did FROM account WHERE taken_down = 1 AND status_seq >= 1 ORDER BY status_seq DESC`,
			)
			.all();
		database.close();
		expect(plan.map(({ detail }) => detail)).toEqual([expect.stringContaining("USING INDEX account_taken_down")]);
	});
});
