import { statSync } from "node:fs";
import { join } from "node:path";
import { type PostgresDatabase, PostgresServer } from "../../test/sim/postgres.ts";
import { findPostgres } from "../../test/sim/postgres-programs.ts";

/** A store of the index that a bench measures. */
export interface BenchStore {
	name: string;
	/** The URL of an empty index, another one each time. */
	newUrl(): Promise<string>;
	/** Bytes that an index takes on disk. */
	bytes(url: string): Promise<number>;
}

/** SQLite in files below this folder. */
export function sqliteStore(directory: string): BenchStore {
	let made = 0;
	return {
		name: "SQLite",
		newUrl: async () => `sqlite://${join(directory, `index-${made++}.sqlite`)}`,
		bytes: async (url) => statSync(url.slice("sqlite://".length)).size,
	};
}

/**
 * A PostgreSQL server of the bench's own, on this machine, with its own default settings.
 *
 * @throws {Error} if there is no PostgreSQL
 */
export async function postgresStore(): Promise<BenchStore & { stop(): Promise<void> }> {
	const programs = findPostgres();
	if (typeof programs === "string") throw new Error(programs);
	const server = await PostgresServer.start(programs);
	const databases = new Map<string, PostgresDatabase>();
	return {
		name: "PostgreSQL",
		newUrl: async () => {
			const database = await server.newDatabase();
			databases.set(database.url, database);
			return database.url;
		},
		bytes: async (url) => {
			const database = databases.get(url);
			if (database === undefined) throw new RangeError("that is no database of this server");
			const [size] = await server.sqlIn(database, "SELECT pg_database_size(current_database())");
			return Number(size);
		},
		stop: () => server.stop(),
	};
}
