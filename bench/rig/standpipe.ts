import { join } from "node:path";
import type { Peer } from "./peer.ts";

const ADMIN_PASSWORD = "only-for-the-bench";
/** All consumers of the bench come from one address. */
const CONSUMERS_PER_IP = 1_000;

/** This relay, with its default settings, but for those of addresses, folders and limits that the bench needs. */
export function standpipe(program: string): Peer {
	return {
		command: [program, "serve"],
		env: ({ dir, apiPort, internalPort, plcUrl }) => ({
			RELAY_API_BIND: `127.0.0.1:${apiPort}`,
			RELAY_METRICS_LISTEN: `127.0.0.1:${internalPort}`,
			RELAY_PERSIST_DIR: join(dir, "log"),
			DATABASE_URL: `sqlite://${join(dir, "index.sqlite")}`,
			RELAY_PLC_HOST: plcUrl,
			RELAY_ALLOW_INSECURE_HOSTS: "true",
			RELAY_HOST_EVENT_LIMITS: "none",
			RELAY_DEFAULT_ACCOUNT_LIMIT: "100000000",
			RELAY_ADMIN_PASSWORD: ADMIN_PASSWORD,
			RELAY_MAX_CONSUMERS_PER_IP: String(CONSUMERS_PER_IP),
			RELAY_LOG_LEVEL: "warning",
		}),
		follow: async (origin, hostname) => {
			const response = await fetch(`${origin}/admin/pds/requestCrawl`, {
				method: "POST",
				headers: { "content-type": "application/json", authorization: `Basic ${btoa(`admin:${ADMIN_PASSWORD}`)}` },
				body: JSON.stringify({ hostname }),
			});
			if (!response.ok) throw new Error(`requestCrawl answered ${response.status}: ${await response.text()}`);
		},
	};
}
