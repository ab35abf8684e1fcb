import { Database } from "bun:sqlite";
import { join } from "node:path";
import type { Peer } from "./peer.ts";

/** Nothing listens there. */
const NO_PROXY = "http://127.0.0.1:9";

/**
 * rsky-relay with its default settings, but for two. Its checks are on: by default it passes on messages that fail them, even
 * commits with a wrong signature. And it asks no other relay for hosts. It reads DID documents from a database that is made
 * beforehand from the directory's export. The bench makes that database, with only what is used of it. Further requests to the
 * directory go to a proxy that does not exist. The program must be changed to follow `localhost:PORT` by `ws:`: as published,
 * it connects only to hosts with a public TLS certificate.
 */
export function rsky(program: string): Peer {
	return {
		command: [program],
		apiPort: 9000,
		env: () => ({
			RELAY_LENIENT_VALIDATION: "false",
			RELAY_DISCOVERY_UPSTREAMS: "",
			HTTPS_PROXY: NO_PROXY,
		}),
		prepare: async ({ dir, accounts }) => {
			const database = new Database(join(dir, "plc_directory.db"));
			database.run(
				"CREATE TABLE plc_operations (cid TEXT PRIMARY KEY, did TEXT, created_at TEXT, nullified BOOLEAN, operation BLOB)",
			);
			database.run("CREATE TABLE plc_keys (did TEXT PRIMARY KEY, pds_endpoint TEXT, pds_key TEXT)");
			// It reads the time of the last operation at its start, so there must be one.
			database.run("INSERT INTO plc_operations VALUES ('', '', ?, false, '{}')", [new Date().toISOString()]);
			const insert = database.query("INSERT INTO plc_keys VALUES (?, ?, ?)");
			// It ignores an endpoint without `https:`, and accepts an account without an endpoint from every host.
			for (const { account, hostname } of accounts) {
				insert.run(account.did, `https://${hostname}`, account.key.didKey);
			}
			database.close();
		},
		follow: async (origin, hostname) => {
			await fetch(`${origin}/xrpc/com.atproto.sync.requestCrawl`, {
				method: "POST",
				body: JSON.stringify({ hostname }),
			});
		},
	};
}
