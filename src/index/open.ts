import { dirname } from "node:path";
import { RETRY_MS, type Stall } from "../disk/stall.ts";
import { type ClaimingLog, claimIndex } from "./claim.ts";
import type { CopySide } from "./copy/side.ts";
import { postgresPlace } from "./postgres/place.ts";
import { type ByScheme, byScheme, sqlitePath } from "./scheme.ts";
import { openSqliteSource, openSqliteTarget } from "./sqlite/copy-side.ts";
import { DatabaseFiles } from "./sqlite/database-files.ts";
import { openSqliteReader, openSqliteStore } from "./sqlite/store.ts";
import type { IndexReader, Store } from "./store.ts";
import type { StoreFaultReason } from "./store-fault.ts";
import { IndexWriter } from "./writer.ts";

/** A kind of store. `url` is the operator's setting, with the scheme of this kind. */
interface StoreKind {
	/** The name of the place in messages. It shows no secrets. */
	place(url: string): string;
	/** The folder that must exist before the store is opened; null if it needs none. */
	folder(url: string): string | null;
	/** Whether a start waits for it. A file that can't be used at the start is a mistake in the settings more often than not. */
	isWaitedFor: boolean;
	openReader(url: string, appliedLsn: () => number): Promise<IndexReader>;
	openStore(url: string): Promise<Store>;
	openCopySource(url: string): Promise<CopySide>;
	openCopyTarget(url: string): Promise<CopySide>;
}

/** The client of PostgreSQL is loaded only by a thread that opens such an index. */
const KINDS: ByScheme<StoreKind> = {
	postgres: {
		place: postgresPlace,
		folder: () => null,
		isWaitedFor: true,
		openReader: async (url, appliedLsn) => (await import("./postgres/reader.ts")).openPostgresReader(url, appliedLsn),
		openCopySource: async (url) => (await import("./postgres/copy-side.ts")).openPostgresSource(url),
		openCopyTarget: async (url) => (await import("./postgres/copy-side.ts")).openPostgresTarget(url),
		openStore: async (url) => (await import("./postgres/store.ts")).openPostgresStore(url),
	},
	sqlite: {
		place: sqlitePath,
		folder: (url) => dirname(sqlitePath(url)),
		isWaitedFor: false,
		openReader: (url) => openFile(url, openSqliteReader),
		openStore: (url) => openFile(url, openSqliteStore),
		openCopySource: (url) => openSqliteSource(sqlitePath(url)),
		openCopyTarget: (url) => openSqliteTarget(sqlitePath(url)),
	},
};

/** The name in messages of the place that a database's URL names. It shows no secrets. */
export function indexPlace(url: string): string {
	return kindOf(url).place(url);
}

/** The folder that must exist before the index is opened; null if it needs none. */
export function indexFolder(url: string): string | null {
	return kindOf(url).folder(url);
}

/** How a start waits for a database that can't be used for now. */
export interface OpenPatience {
	/** Reports that it waits. */
	stall: Pick<Stall<StoreFaultReason>, "note" | "end">;
	/** Waits before the next try. */
	sleep(ms: number): Promise<void>;
}

/**
 * Opens the index, by `openIndexReader` or `openIndexWriter`. If its database is on a network and can't be used for now, waits for it.
 *
 * @throws what else `open` throws
 */
export async function openPatiently<Opened>(
	url: string,
	{ stall, sleep }: OpenPatience,
	open: () => Promise<Opened>,
): Promise<Opened> {
	for (;;) {
		try {
			const opened = await open();
			stall.end();
			return opened;
		} catch (error) {
			if (!kindOf(url).isWaitedFor) throw error;
			stall.note(error);
		}
		await sleep(RETRY_MS);
	}
}

/**
 * Opens the index for reading. The writer must have been opened before, since it makes the tables.
 *
 * @param appliedLsn the lsn up to which the writer has applied the log. It never goes back, even if the database does.
 * @throws StoreBroken if it is not an index of this program's schema version
 */
export async function openIndexReader(url: string, appliedLsn: () => number): Promise<IndexReader> {
	return await kindOf(url).openReader(url, appliedLsn);
}

/**
 * Opens the index of a log for writing. There may be one writer. Makes the index if it is absent, and migrates an older schema.
 *
 * @throws StoreBroken if it can't be used
 * @throws ForeignIndexError if it is another log's
 */
export async function openIndexWriter(url: string, log: ClaimingLog): Promise<IndexWriter> {
	const kind = kindOf(url);
	const store = await kind.openStore(url);
	try {
		await claimIndex(store, log, kind.place(url));
	} catch (error) {
		await store.close();
		throw error;
	}
	return new IndexWriter(store, log.id);
}

/**
 * Opens an index to copy it to another place. No relay can use it until it is closed.
 * @throws StoreBroken if it is in use, or if it is not an index of this program's schema version
 */
export async function openCopySource(url: string): Promise<CopySide> {
	return await kindOf(url).openCopySource(url);
}

/**
 * Opens the place that an index is to be copied to, and makes the tables if it has none. No relay can use it until it is closed.
 * @throws StoreBroken if it is in use, or if it holds something else than an index of this program's schema version
 */
export async function openCopyTarget(url: string): Promise<CopySide> {
	return await kindOf(url).openCopyTarget(url);
}

function kindOf(url: string): StoreKind {
	return byScheme(KINDS, url);
}

function openFile<Opened>(url: string, open: (path: string) => Opened): Promise<Opened> {
	const path = sqlitePath(url);
	return DatabaseFiles.at(path).attempt(() => open(path));
}
