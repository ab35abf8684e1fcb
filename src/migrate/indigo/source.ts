import { byScheme, sqlitePath } from "../../index/scheme.ts";
import { openIndigoPostgres } from "./postgres.ts";
import { openIndigoSqlite } from "./sqlite.ts";
import type { IndigoSource } from "./tables.ts";

/** Opens a database that can be reached and is indigo's. @throws StoreBroken or StoreUnavailable if it can't be opened, or is another one */
export async function openIndigo(url: string): Promise<IndigoSource> {
	const open = byScheme<() => IndigoSource>(
		{ sqlite: () => openIndigoSqlite(sqlitePath(url)), postgres: () => openIndigoPostgres(url) },
		url,
	);
	const source = open();
	try {
		// Both kinds look at the database only when it is read.
		await source.transaction((rows) => rows.lastFileSeq());
		return source;
	} catch (error) {
		await source.close();
		throw error;
	}
}
