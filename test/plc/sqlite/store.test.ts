import { Database } from "bun:sqlite";
import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { StoreBroken } from "../../../src/index/store-fault.ts";
import { openSqliteMirror, openSqliteMirrorReader } from "../../../src/plc/sqlite/store.ts";
import { describeMirrorStore } from "../store-cases.ts";

const folders: string[] = [];

function newPath(): string {
	const folder = mkdtempSync(join(tmpdir(), "standpipe-plc-"));
	folders.push(folder);
	return join(folder, "plc-mirror.sqlite");
}

afterEach(() => {
	for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

describeMirrorStore("the mirror in SQLite", async () => {
	const path = newPath();
	return { store: () => openSqliteMirror(path), reader: () => openSqliteMirrorReader(path) };
});

test("another database, or none, is refused with a sentence that says what to do", async () => {
	const path = newPath();
	const other = new Database(path);
	other.run("CREATE TABLE something (id INTEGER)");
	other.close();
	for (const open of [openSqliteMirror, openSqliteMirrorReader]) {
		const refused = await open(path).catch((error: unknown) => error);
		expect(refused).toBeInstanceOf(StoreBroken);
		expect(String(refused)).toContain("move it away");
	}
	await Bun.write(path, "no database at all, but long enough to be read as one ".repeat(100));
	expect(await openSqliteMirror(path).catch((error: unknown) => error)).toBeInstanceOf(StoreBroken);
});
