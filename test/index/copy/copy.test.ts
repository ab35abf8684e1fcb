import { Database } from "bun:sqlite";
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { COPIED_TABLES } from "../../../src/index/copy/tables.ts";
import { sharedPostgres } from "../../sim/postgres.ts";
import { describeWithPostgres } from "../../sim/postgres-programs.ts";
import { SchemaPlace } from "../postgres/place.ts";
import * as records from "../records.ts";
import { FilePlace } from "../sqlite/place.ts";
import { asNewFile } from "./as-new-file.ts";
import { copyBetween, copyCases, type UrlPlace } from "./copy-cases.ts";

let folder: string;
let places = 0;
beforeAll(() => {
	folder = mkdtempSync(join(tmpdir(), "standpipe-copy-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** The row of this table says how far the index is. It differs from kind to kind. */
const PROGRESS_TABLES = ["checkpoint", "meta"];

async function makeFile(): Promise<FilePlace & UrlPlace> {
	const place = new FilePlace(join(folder, `${places++}`, "index.sqlite"));
	return Object.assign(place, { url: `sqlite://${place.path}`, release: () => asNewFile(place.path) });
}

/** The columns of each table, sorted, in the order of the tables that are copied. */
async function columnsOf(place: UrlPlace): Promise<Record<string, string[]>> {
	const names = place instanceof SchemaPlace ? await namesInPostgres(place) : namesInSqlite(place.url);
	const tables = new Map<string, string[]>(COPIED_TABLES.map(({ name }) => [name, []]));
	for (const { table, column } of names) {
		if (PROGRESS_TABLES.includes(table)) continue;
		const columns = tables.get(table) ?? [];
		columns.push(column);
		tables.set(table, columns);
	}
	return Object.fromEntries(Array.from(tables, ([table, columns]) => [table, columns.sort()]));
}

interface ColumnName {
	table: string;
	column: string;
}

function namesInSqlite(url: string): ColumnName[] {
	const database = new Database(url.slice("sqlite://".length), { readonly: true });
	const names = database
		.query<ColumnName, []>(
			`SELECT t.name AS "table", c.name AS "column" FROM sqlite_schema t, pragma_table_info(t.name) c WHERE t.type = 'table'`,
		)
		.all();
	database.close();
	return names;
}

function namesInPostgres(place: SchemaPlace): Promise<ColumnName[]> {
	return place.sql(
		async (sql) =>
			await sql<ColumnName[]>`SELECT table_name AS "table", column_name AS "column"
			FROM information_schema.columns WHERE table_schema = current_schema()`,
	);
}

/** Writes an index in SQLite as older releases could: with texts that were not checked. */
async function makeUnchecked(): Promise<FilePlace & UrlPlace> {
	const place = await makeFile();
	const writer = await place.writer();
	await writer.apply(records.sequence([records.host(1), records.account([1, 1], "did:plc:a", "x")]));
	await writer.store.close();
	place.release();
	const database = new Database(place.path);
	database.run("UPDATE account SET upstream_status = 'take' || char(0) || 'down'");
	database.run("UPDATE host SET last_gap = char(0)");
	database.close();
	return place;
}

async function expectChecked(from: UrlPlace, to: UrlPlace): Promise<void> {
	await copyBetween(from.url, to.url);
	const { accounts, hosts } = await to.dump();
	expect([accounts[0]?.upstreamStatus, hosts[0]?.lastGap]).toEqual(["take\ufffddown", "\ufffd"]);
}

test("a NUL that an older release stored becomes a replacement character in SQLite", async () => {
	await expectChecked(await makeUnchecked(), await makeFile());
});

copyCases("SQLite to SQLite", makeFile, makeFile, columnsOf);

describeWithPostgres("with PostgreSQL", () => {
	let database: string;
	beforeAll(async () => {
		database = (await (await sharedPostgres()).newDatabase()).url;
	}, 300_000);

	const makeSchema = async (): Promise<SchemaPlace & UrlPlace> =>
		Object.assign(await SchemaPlace.make(database, `copy_${++places}`), { release: () => {} });

	test("a NUL that an older release stored becomes a replacement character in PostgreSQL", async () => {
		await expectChecked(await makeUnchecked(), await makeSchema());
	});

	copyCases("SQLite to PostgreSQL", makeFile, makeSchema, columnsOf);
	copyCases("PostgreSQL to SQLite", makeSchema, makeFile, columnsOf);
	copyCases("PostgreSQL to PostgreSQL", makeSchema, makeSchema, columnsOf);
});
