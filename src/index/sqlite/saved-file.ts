import { Database } from "bun:sqlite";
import { constants, copyFileSync, existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { syncFile } from "../../disk/sync.ts";
import type { Progress } from "../copy/side.ts";
import { StoreBroken } from "../store-fault.ts";
import { openForReading } from "./connection.ts";
import { DatabaseFiles } from "./database-files.ts";
import { checkSchema } from "./schema.ts";

/** What an index's file has beside it while it is in use, and after a crash. */
const SUFFIXES = ["", "-wal", "-shm", "-journal"] as const;

/**
 * Writes an index, as it is at one moment, to a new file. A relay may use the index meanwhile.
 *
 * @throws StoreBroken if it is not an index of this program's schema version, or if a row of it can't be read
 * @throws StoreUnavailable if the disk fails
 */
export async function saveSqlite(path: string, to: string): Promise<void> {
	await DatabaseFiles.at(path).attempt(() => {
		if (!existsSync(path)) throw new StoreBroken(`${path} does not exist`);
		using database = new Database(path, { readonly: true });
		checkSchema(database);
		database.run("VACUUM INTO ?", [to]);
	});
}

/**
 * Checks a file that an index was saved to: its structure, and its schema version.
 *
 * @returns how far it is, and whose
 * @throws StoreBroken if it is damaged
 */
export async function checkSaved(path: string): Promise<Progress> {
	return await DatabaseFiles.at(path).attempt(() =>
		openForReading(path, (database) => {
			using _closing = database;
			checkSchema(database);
			const found = database.query<{ quick_check: string }, []>("PRAGMA quick_check(1)").get();
			if (found?.quick_check !== "ok") throw new StoreBroken(`${path} is damaged: ${found?.quick_check ?? "nothing"}`);
			const progress = database
				.query<Progress, []>("SELECT lsn AS checkpoint, host_id_max AS hostIdMax, log_id AS logId FROM checkpoint")
				.get();
			if (progress === null) throw new StoreBroken(`${path} has no checkpoint row`);
			return progress;
		}),
	);
}

/** A file that belongs to the index with this path and exists; null if there is none. */
export function occupantFile(path: string): string | null {
	return SUFFIXES.map((suffix) => `${path}${suffix}`).find((file) => existsSync(file)) ?? null;
}

/** Puts a saved file in the place of an index that is lost. The file there is whole and durable, or it is not there. */
export function putBackFile(saved: string, path: string): void {
	mkdirSync(dirname(path), { recursive: true });
	const aside = `${path}.tmp`;
	rmSync(aside, { force: true });
	try {
		copyFileSync(saved, aside, constants.COPYFILE_FICLONE);
		syncFile(aside);
		renameSync(aside, path);
		syncFile(dirname(path));
	} catch (error) {
		rmSync(aside, { force: true });
		throw error;
	}
}
