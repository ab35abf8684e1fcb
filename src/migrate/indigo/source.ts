import { byScheme, sqlitePath } from "../../index/scheme.ts";
import { openIndigoPostgres } from "./postgres.ts";
import { openIndigoSqlite } from "./sqlite.ts";
import type { IndigoSource } from "./tables.ts";

/** @throws StoreBroken if it can't be opened */
export async function openIndigo(url: string): Promise<IndigoSource> {
	const open = byScheme(
		{ sqlite: () => openIndigoSqlite(sqlitePath(url)), postgres: () => openIndigoPostgres(url) },
		url,
	);
	return open();
}
