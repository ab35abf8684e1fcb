import { Database } from "bun:sqlite";
import { openIndexReader, openIndexWriter } from "../../../src/index/open.ts";
import type { Account, Host, IndexReader, StoredIdentity } from "../../../src/index/store.ts";
import type { IndexWriter } from "../../../src/index/writer.ts";
import { type Dump, NEW_LOG, type Place } from "../store-cases.ts";

type Flag = 0 | 1;

/** A row as SQLite gives it. */
type With<Row, Columns> = Omit<Row, keyof Columns> & Columns;

/** A place for an index in a file. */
export class FilePlace implements Place {
	readonly path: string;

	constructor(path: string) {
		this.path = path;
	}

	writer(log = NEW_LOG): Promise<IndexWriter> {
		return openIndexWriter(`sqlite://${this.path}`, log);
	}

	async reader(): Promise<IndexReader> {
		return openIndexReader(`sqlite://${this.path}`, () => 0);
	}

	async dump(): Promise<Dump> {
		const database = new Database(this.path, { readonly: true });
		const all = <Row>(statement: string): Row[] => database.query<Row, []>(statement).all();
		const hosts = all<
			With<Host, { insecure: Flag; connection: string }>
		>(`SELECT id, hostname, insecure, status, cursor, gaps,
			last_gap AS lastGap, account_count AS accountCount, connection FROM host ORDER BY id`);
		const accounts = all<With<Account, { upstreamActive: Flag }>>(`SELECT id, did, host, host_seq AS hostSeq,
			last_time_ms AS lastTimeMs, upstream_active AS upstreamActive, upstream_status AS upstreamStatus,
			local_status AS localStatus, waiting_since_us AS waitingSinceUs, status_lsn AS statusLsn,
			rev, commit_cid AS "commit", data_cid AS data FROM account ORDER BY id`);
		const identities = all<
			With<StoredIdentity, { tombstoned: Flag }>
		>(`SELECT did, signing_key AS signingKey, pds, tombstoned,
			resolved_at_ms AS resolvedAtMs FROM identity ORDER BY did`);
		const policies = all<With<Dump["policies"][0], { told: Flag }>>("SELECT * FROM policy ORDER BY kind, key");
		const [progress] = all<{ checkpoint: number; hostIdMax: number }>(
			"SELECT lsn AS checkpoint, host_id_max AS hostIdMax FROM checkpoint",
		);
		const rows = {
			hosts: hosts.map((row) => ({ ...row, insecure: row.insecure === 1, connection: JSON.parse(row.connection) })),
			accounts: accounts.map((row) => ({ ...row, upstreamActive: row.upstreamActive === 1 })),
			identities: identities.map((row) => ({ ...row, tombstoned: row.tombstoned === 1 })),
			policies: policies.map((row) => ({ ...row, told: row.told === 1 })),
			actions: all<Dump["actions"][0]>("SELECT * FROM admin_action ORDER BY lsn"),
		};
		database.close();
		return { ...rows, ...(progress ?? { checkpoint: -1, hostIdMax: -1 }) };
	}

	async forgetLog(): Promise<void> {
		const database = new Database(this.path);
		database.run("UPDATE checkpoint SET log_id = NULL");
		database.close();
	}
}
