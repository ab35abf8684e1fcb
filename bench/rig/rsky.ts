import { Database } from "bun:sqlite";
import { join } from "node:path";
import type { Peer } from "./peer.ts";

/** Nobody listens there. */
const NO_PROXY = "http://127.0.0.1:9";

/**
 * rsky-relay, strict as the others are. It has the DID documents in a database that is made beforehand from the directory's
 * export, so the bench makes that database. What it would ask of the internet goes to a proxy that isn't there. The program
 * must be one that was changed to follow hosts by `ws:`: as it is published it connects only to hosts with a public TLS
 * certificate. All this is from reading its source: it has not been run here yet.
 */
export function rsky(program: string): Peer {
	return {
		command: [program],
		apiPort: 9000,
		env: ({ internalPort }) => ({
			RELAY_METRICS_LISTEN: `127.0.0.1:${internalPort}`,
			RELAY_LENIENT_VALIDATION: "false",
			RELAY_DISCOVERY_UPSTREAMS: "",
			HTTPS_PROXY: NO_PROXY,
		}),
		prepare: async ({ dir, accounts }) => {
			const database = new Database(join(dir, "plc_directory.db"));
			database.run(
				"CREATE TABLE plc_operations (cid TEXT PRIMARY KEY, did TEXT, created_at TEXT, nullified BOOLEAN, operation BLOB)",
			);
			database.run(
				"CREATE TABLE plc_keys (did TEXT PRIMARY KEY, pds_endpoint TEXT, pds_key TEXT, labeler_endpoint TEXT, labeler_key TEXT)",
			);
			// It reads the time of the last operation at its start, so there must be one.
			database.run("INSERT INTO plc_operations VALUES ('', '', ?, false, '{}')", [new Date().toISOString()]);
			const insert = database.query("INSERT INTO plc_keys (did, pds_endpoint, pds_key) VALUES (?, ?, ?)");
			// The scheme is part of what it compares an account's host by.
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
