import { statSync } from "node:fs";
import { join } from "node:path";
import { startPostgres } from "../../test/sim/postgres.ts";

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
	const server = await startPostgres();
	return {
		name: "PostgreSQL",
		newUrl: async () => (await server.newDatabase()).url,
		bytes: async (url) => {
			const [size] = await server.sqlIn({ url }, "SELECT pg_database_size(current_database())");
			return Number(size);
		},
		stop: () => server.stop(),
	};
}
