import { Database } from "bun:sqlite";
import { join } from "node:path";
import type { Peer } from "./peer.ts";

/** Its rate limits follow from it: 100,050 messages/s for each host, so that the load does not reach them. */
const ACCOUNT_LIMIT = 100_000_000;
const DATABASE = "relay.sqlite";

/**
 * The Go reference relay, `cmd/relay` of indigo, with its default settings and its SQLite database. It checks a new host over a
 * connection that never goes to the loopback interface, even if an admin asks. But after a restart it follows such a host. So
 * the hosts' rows are added to the database that a first start has made.
 */
export function indigo(program: string): Peer {
	return {
		command: [program, "serve"],
		env: ({ dir, apiPort, internalPort, plcUrl }) => ({
			RELAY_API_BIND: `127.0.0.1:${apiPort}`,
			RELAY_METRICS_LISTEN: `127.0.0.1:${internalPort}`,
			RELAY_PERSIST_DIR: join(dir, "persist"),
			DATABASE_URL: `sqlite://${join(dir, DATABASE)}`,
			RELAY_PLC_HOST: plcUrl,
			RELAY_LOG_LEVEL: "warn",
		}),
		prepare: async ({ dir, hostnames }, run) => {
			await run();
			const database = new Database(join(dir, DATABASE));
			const insert = database.query(
				`INSERT INTO host (created_at, updated_at, hostname, no_ssl, account_limit, trusted, status, last_seq, account_count)
				 VALUES (datetime('now'), datetime('now'), ?, 1, ?, 0, 'active', -1, 0)`,
			);
			for (const hostname of hostnames) insert.run(hostname, ACCOUNT_LIMIT);
			database.close();
		},
	};
}
