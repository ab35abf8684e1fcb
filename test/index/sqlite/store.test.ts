import { Database } from "bun:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { copyFileSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SCHEMA_VERSION, SchemaError } from "../../../src/index/sqlite/schema.ts";
import { openSqliteReader } from "../../../src/index/sqlite/store.ts";
import * as records from "../records.ts";
import { type Dump, history, storeCases } from "../store-cases.ts";
import { openWriter } from "../writer.ts";
import { FilePlace } from "./place.ts";

let folder: string;
let path: string;
beforeEach(() => {
	folder = mkdtempSync(join(tmpdir(), "standpipe-index-"));
	path = join(folder, "new", "index.sqlite");
});
afterEach(() => rmSync(folder, { recursive: true }));

let places = 0;
storeCases("SQLite", async () => new FilePlace(join(folder, `${places++}`, "index.sqlite")));

/** Every row of every table. */
function dump(of = path): Promise<Dump> {
	return new FilePlace(of).dump();
}

describe("reading", () => {
	test("on another thread, while batches are applied, sees whole batches only", async () => {
		const writer = await openWriter(path);
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
	test("after a crash goes on from the rows and checkpoint of the last whole batch", async () => {
		const all = history(900, 3);
		const writer = await openWriter(path);
		await writer.apply(all.slice(0, 400));
		await writer.apply(all.slice(400, 500));
		// What a killed process leaves: the database and its write-ahead log, not closed.
		const crashed = join(folder, "crashed.sqlite");
		for (const suffix of ["", "-wal"]) copyFileSync(path + suffix, crashed + suffix);
		await writer.apply(all.slice(500));
		await writer.store.close();
		const restarted = await openWriter(crashed);
		expect(await restarted.store.checkpoint()).toBe(500);
		await restarted.apply(all.slice(await restarted.store.checkpoint()));
		await restarted.store.close();
		expect(await dump(crashed)).toEqual(await dump());
	});

	test("closing moves everything into the database file itself", async () => {
		const writer = await openWriter(path);
		await writer.apply(history(100));
		const before = await dump();
		await writer.store.close();
		const alone = join(folder, "alone.sqlite");
		copyFileSync(path, alone);
		expect(await dump(alone)).toEqual(before);
	});
});

test("two writers: the one that is behind the other writes nothing, and fails", async () => {
	const [first, second] = [await openWriter(path), await openWriter(path)];
	const all = history(60);
	await first.apply(all.slice(0, 20));
	await second.apply(all.slice(20, 40));
	const before = await dump();
	await expect(first.apply(all.slice(40))).rejects.toThrow("something else writes");
	expect(await dump()).toEqual(before);
	await second.apply(all.slice(40));
	for (const { store } of [first, second]) await store.close();
});

describe("opening", () => {
	test("another schema version is refused, with its number", async () => {
		await (await openWriter(path)).store.close();
		const database = new Database(path);
		database.run("PRAGMA user_version = 99");
		database.close();
		for (const open of [async () => openSqliteReader(path), () => openWriter(path)]) {
			await expect(open()).rejects.toBeInstanceOf(SchemaError);
			await expect(open()).rejects.toThrow(`schema version 99; this program uses schema version ${SCHEMA_VERSION}`);
		}
	});

	test("another program's database is refused, and not changed", async () => {
		const other = join(folder, "other.sqlite");
		const database = new Database(other);
		database.run("CREATE TABLE theirs (a)");
		await expect(openWriter(other)).rejects.toThrow("holds no index");
		expect(database.query("SELECT name FROM sqlite_schema").all()).toEqual([{ name: "theirs" }]);
		database.close();
	});

	test("a reader does not make an absent index", () => {
		expect(() => openSqliteReader(join(folder, "absent.sqlite"))).toThrow();
		expect(existsSync(join(folder, "absent.sqlite"))).toBe(false);
	});
});

describe("takedowns", () => {
	test("are found without a scan of all accounts", async () => {
		await (await openWriter(path)).store.close();
		const database = new Database(path, { readonly: true });
		const plan = database
			.query<{ detail: string }, []>(
				`EXPLAIN QUERY PLAN SELECT did FROM account WHERE taken_down = 1 AND status_lsn >= 1 ORDER BY status_lsn DESC`,
			)
			.all();
		database.close();
		expect(plan.map(({ detail }) => detail)).toEqual([expect.stringContaining("USING INDEX account_taken_down")]);
	});
});
