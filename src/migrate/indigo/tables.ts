// migrate/indigo/: reading the database of indigo's relay, and what its rows mean here. It writes nothing.

/** What is read of a table: by the names that this program uses, the columns of the database. */
export interface IndigoTable {
	readonly from: string;
	/** The number by which rows are paged. */
	readonly key: string;
	readonly columns: Readonly<Record<string, string>>;
}

/** The tables that are read. They are those of `cmd/relay`; older and later releases may have further columns. */
export const INDIGO_TABLES = {
	hosts: {
		from: "host",
		key: "id",
		columns: {
			hostname: "hostname",
			noSsl: "no_ssl",
			accountLimit: "account_limit",
			status: "status",
			lastSeq: "last_seq",
			createdAt: "created_at",
		},
	},
	accounts: {
		from: "account LEFT JOIN account_repo ON account_repo.uid = account.uid",
		key: "account.uid",
		columns: {
			did: "account.did",
			hostId: "account.host_id",
			status: "account.status",
			upstreamStatus: "account.upstream_status",
			rev: "account_repo.rev",
			commit: "account_repo.commit_cid",
			data: "account_repo.commit_data_cid",
		},
	},
	domainBans: { from: "domain_bans", key: "id", columns: { domain: "domain", createdAt: "created_at" } },
} as const satisfies Record<string, IndigoTable>;

export type IndigoTableName = keyof typeof INDIGO_TABLES;

/** A row: its key, and its columns as texts, since a database may hold anything in them. A text may be cut at `TEXT_CHARS_MAX`. */
export type IndigoRow<Name extends IndigoTableName = IndigoTableName> = { readonly key: number } & {
	readonly [Column in keyof (typeof INDIGO_TABLES)[Name]["columns"]]: string | null;
};

/** Longer than any valid text, so that one that is cut is not valid. */
export const TEXT_CHARS_MAX = 4_096;
/** Rows that are in memory at once. */
export const ROWS_PER_PAGE = 1_000;

/** A page of rows as a database gives them: the key first, then the columns in their order. */
export type IndigoValues = readonly [key: number, ...texts: (string | null)[]];

/** The statement for a page. Both kinds of databases understand it. @param after the placeholder of the key after which it begins */
export function selectPage(name: IndigoTableName, after: string): string {
	const { from, key, columns } = INDIGO_TABLES[name];
	const texts = Object.values(columns).map((column) => `substr(CAST(${column} AS TEXT), 1, ${TEXT_CHARS_MAX})`);
	return `SELECT ${key}, ${texts.join(", ")} FROM ${from} WHERE ${key} > ${after} ORDER BY ${key} LIMIT ${ROWS_PER_PAGE}`;
}

/** The statement that counts the rows of a table. */
export function countRows(name: IndigoTableName): string {
	const [table] = INDIGO_TABLES[name].from.split(" ");
	return `SELECT count(*) FROM ${table}`;
}

/** The first seq that can be in the file that indigo began last; 0 for its very first file, whatever that begins with. */
export const SELECT_LAST_FILE_SEQ = "SELECT max(seq_start) FROM log_file_refs";

export function toRow<Name extends IndigoTableName>(name: Name, [key, ...texts]: IndigoValues): IndigoRow<Name> {
	const names = Object.keys(INDIGO_TABLES[name].columns);
	return Object.fromEntries([["key", key], ...names.map((column, at) => [column, texts[at] ?? null])]);
}

/** The rows of indigo's database, as of one moment. */
export interface IndigoRows {
	count(table: IndigoTableName): Promise<number>;
	/** The rows with a key greater than `after`, by their key: up to `ROWS_PER_PAGE`, none after the last. */
	page<Name extends IndigoTableName>(table: Name, after: number): Promise<IndigoRow<Name>[]>;
	/** What `SELECT_LAST_FILE_SEQ` gives; null if indigo has begun no file. */
	lastFileSeq(): Promise<number | null>;
}

/** Indigo's database. Its errors are those of an index: `StoreBroken` and `StoreUnavailable`. */
export interface IndigoSource {
	/** Its name in messages. It shows no secrets. */
	readonly place: string;
	/** Runs `work` in one transaction that only reads. */
	transaction<Result>(work: (rows: IndigoRows) => Promise<Result>): Promise<Result>;
	close(): Promise<void>;
}
