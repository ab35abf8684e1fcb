import { checkEmpty, copyIndex } from "./copy/copy.ts";
import type { CopySide, Progress } from "./copy/side.ts";
import { openPostgresSnapshot, openPostgresTarget } from "./postgres/copy-side.ts";
import { type ByScheme, byScheme, sqlitePath } from "./scheme.ts";
import { openSqliteSource, openSqliteTarget } from "./sqlite/copy-side.ts";
import { checkSaved, occupantFile, putBackFile, saveSqlite } from "./sqlite/saved-file.ts";
import { StoreBroken } from "./store-fault.ts";

/** How an index is saved to a file of SQLite, and put back from it, by the kind of its store. */
interface SavingKind {
	save(url: string, to: string): Promise<void>;
	openPlace(url: string): Promise<IndexPlace>;
}

/** A free place for an index. */
export interface IndexPlace {
	/** Makes it the index that was saved to this file: as a whole, or not at all. */
	putBack(saved: string): Promise<void>;
	close(): Promise<void>;
}

const KINDS: ByScheme<SavingKind> = {
	sqlite: {
		save: (url, to) => saveSqlite(sqlitePath(url), to),
		openPlace: async (url) => {
			const path = sqlitePath(url);
			const occupant = occupantFile(path);
			if (occupant !== null) throw new StoreBroken(`${occupant} is there already: move it away first`);
			return { putBack: async (saved) => putBackFile(saved, path), close: async () => {} };
		},
	},
	postgres: {
		save: async (url, to) =>
			withSide(await openPostgresSnapshot(url), async (source) =>
				withSide(await openSqliteTarget(to), async (target) => void (await copyIndex(source, target, () => {}))),
			),
		openPlace: async (url) => {
			const target = await openPostgresTarget(url);
			try {
				await target.transaction((rows) => checkEmpty(rows, target.place));
			} catch (error) {
				await target.close();
				throw error;
			}
			return {
				putBack: async (saved) =>
					withSide(await openSqliteSource(saved), async (source) => void (await copyIndex(source, target, () => {}))),
				close: () => target.close(),
			};
		},
	},
};

async function withSide(side: CopySide, work: (side: CopySide) => Promise<void>): Promise<void> {
	try {
		await work(side);
	} finally {
		await side.close();
	}
}

/**
 * Writes the index, as it is at one moment, to a new file of SQLite, and checks that file. A relay may use the index meanwhile.
 *
 * @returns how far the index is, and whose
 * @throws StoreBroken if it is not an index of this program's schema version, or if it is damaged
 * @throws Unavailable if its database or the disk fails
 */
export async function saveIndex(url: string, to: string): Promise<Progress> {
	await byScheme(KINDS, url).save(url, to);
	return await checkSaved(to);
}

/**
 * Opens the place that a saved index is to be put back to.
 *
 * @throws StoreBroken if there is an index already, or if a relay uses it
 */
export async function openIndexPlace(url: string): Promise<IndexPlace> {
	return await byScheme(KINDS, url).openPlace(url);
}
