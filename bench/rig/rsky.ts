import { Database } from "bun:sqlite";
import { join } from "node:path";
import type { Peer } from "./peer.ts";

/** Nobody listens there. */
const NO_PROXY = "http://127.0.0.1:9";

/**
 * rsky-relay with its default settings, but for two. Its checks are on: by default it passes on what fails them, a commit with
 * a wrong signature too. And it asks no other relay for hosts. It has the DID documents in a database that is made beforehand
 * from the directory's export, so the bench makes that database, with no more than what it uses. What it would still ask
 * the directory goes to a proxy that isn't there. The program must be one that was changed to follow `localhost:PORT` by `ws:`:
 * as it is published it connects only to hosts with a public TLS certificate.
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
			// It takes an endpoint without `https:` for none, and an account without an endpoint to be at every host.
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
