import { dirname, join } from "node:path";
import { postgresPlace } from "../index/postgres/place.ts";
import { type ByScheme, byScheme, sqlitePath } from "../index/scheme.ts";
import { openSqliteMirror, openSqliteMirrorReader } from "./sqlite/store.ts";
import type { MirrorReader, MirrorStore } from "./store.ts";

/** A kind of store. `databaseUrl` is that of the index, with the scheme of this kind. */
interface StoreKind {
	/** The name of the place in messages. It shows no secrets. */
	place(databaseUrl: string): string;
	openStore(databaseUrl: string): Promise<MirrorStore>;
	openReader(databaseUrl: string): Promise<MirrorReader>;
}

/**
 * Beside the index. An SQLite file has one writer at a time, and syncs all that is in it together: in the index's file the mirror
 * would delay the index.
 */
const FILE = "plc-mirror.sqlite";

/** The client of PostgreSQL is loaded only by a thread that opens such a mirror. */
const KINDS: ByScheme<StoreKind> = {
	postgres: {
		place: postgresPlace,
		openStore: async (url) => (await import("./postgres/store.ts")).openPostgresMirror(url),
		openReader: async (url) => (await import("./postgres/store.ts")).openPostgresMirrorReader(url),
	},
	sqlite: {
		place: mirrorPath,
		openStore: (url) => openSqliteMirror(mirrorPath(url)),
		openReader: (url) => openSqliteMirrorReader(mirrorPath(url)),
	},
};

/** The name in messages of the place of the mirror that belongs to an index. It shows no secrets. */
export function mirrorPlace(databaseUrl: string): string {
	return kindOf(databaseUrl).place(databaseUrl);
}

/**
 * Opens the mirror that belongs to an index for writing, and makes it if it is absent. There may be one writer.
 * @throws StoreBroken if it can't be used
 */
export function openMirrorStore(databaseUrl: string): Promise<MirrorStore> {
	return kindOf(databaseUrl).openStore(databaseUrl);
}

/**
 * Opens it for reading. The writer must have been opened before, since it makes the tables.
 * @throws StoreBroken if it can't be used
 */
export function openMirrorReader(databaseUrl: string): Promise<MirrorReader> {
	return kindOf(databaseUrl).openReader(databaseUrl);
}

function kindOf(url: string): StoreKind {
	return byScheme(KINDS, url);
}

function mirrorPath(url: string): string {
	return join(dirname(sqlitePath(url)), FILE);
}
