import postgres from "postgres";
import { openIndexReader, openIndexWriter } from "../../../src/index/open.ts";
import type { Account, Host, IndexReader, StoredIdentity } from "../../../src/index/store.ts";
import type { IndexWriter } from "../../../src/index/writer.ts";
import { type Dump, NEW_LOG, type Place } from "../store-cases.ts";

const NUMBER = { to: 20, from: [20], serialize: String, parse: Number };
const BYTES = { to: 17, from: [17], serialize: String, parse: (text: string) => Uint8Array.fromHex(text.slice(2)) };

/** A place for an index in a schema of a PostgreSQL database. */
export class SchemaPlace implements Place {
	readonly url: string;

	/** @param database URL of the database */
	private constructor(database: string, name: string) {
		this.url = `${database}?options=-csearch_path%3D${name}`;
	}

	static async make(database: string, name: string): Promise<SchemaPlace> {
		const place = new SchemaPlace(database, name);
		await place.sql((sql) => sql.unsafe(`CREATE SCHEMA ${name}`));
		return place;
	}

	writer(log = NEW_LOG): Promise<IndexWriter> {
		return openIndexWriter(this.url, log);
	}

	reader(): Promise<IndexReader> {
		return openIndexReader(this.url, () => 0);
	}

	async dump(): Promise<Dump> {
		return await this.sql(async (sql) => {
			const hosts = await sql<(Host & { connection: string })[]>`SELECT id, hostname, insecure, status, cursor, gaps,
				last_gap AS "lastGap", account_count AS "accountCount", connection FROM host ORDER BY id`;
			const accounts = await sql<Account[]>`SELECT id, did, host, host_seq AS "hostSeq", last_time_ms AS "lastTimeMs",
				upstream_active AS "upstreamActive", upstream_status AS "upstreamStatus", local_status AS "localStatus",
				waiting_since_us AS "waitingSinceUs", status_lsn AS "statusLsn", rev, commit_cid AS "commit", data_cid AS data FROM account ORDER BY id`;
			const identities = await sql<StoredIdentity[]>`SELECT did, signing_key AS "signingKey", pds, tombstoned,
				resolved_at_ms AS "resolvedAtMs" FROM identity ORDER BY did`;
			const policies = await sql<Dump["policies"]>`SELECT * FROM policy ORDER BY kind, key`;
			const actions = await sql<Dump["actions"]>`SELECT * FROM admin_action ORDER BY lsn`;
			const [progress] = await sql<{ checkpoint: number; hostIdMax: number }[]>`
				SELECT lsn AS checkpoint, host_id_max AS "hostIdMax" FROM meta`;
			return {
				hosts: hosts.map((row) => ({ ...row, connection: JSON.parse(row.connection) })),
				accounts: [...accounts],
				identities: [...identities],
				policies: [...policies],
				actions: [...actions],
				...(progress ?? { checkpoint: -1, hostIdMax: -1 }),
			};
		});
	}

	async forgetLog(): Promise<void> {
		await this.sql((sql) => sql`UPDATE meta SET log_id = NULL`);
	}

	/** Executes statements, without the store. */
	async sql<Result>(work: (sql: postgres.Sql) => Promise<Result>): Promise<Result> {
		const sql = postgres(this.url, { max: 1, fetch_types: false, onnotice: () => {}, types: { NUMBER, BYTES } });
		try {
			return await work(sql as unknown as postgres.Sql);
		} finally {
			await sql.end();
		}
	}
}
