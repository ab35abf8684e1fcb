/**
 * The tables of an index, as every kind of store has them: with these names and columns. The one row that says how far an index is differs
 * from kind to kind, so it is not among them. A test compares this list with the tables that the stores make.
 */
export interface CopiedTable {
	readonly name: string;
	/** The columns by which rows are told apart, and in whose order they are read. */
	readonly key: readonly string[];
	/** The type of each column, the key's included. */
	readonly columns: Readonly<Record<string, ColumnType>>;
}

export type ColumnType = "integer" | "boolean" | "text" | "bytes";

export type Value = number | boolean | string | Uint8Array | null;

/** The values of a row, in the order of its table's columns. */
export type Row = readonly Value[];

/** In the order in which they are copied. */
export const COPIED_TABLES: readonly CopiedTable[] = [
	{
		name: "host",
		key: ["id"],
		columns: {
			id: "integer",
			hostname: "text",
			insecure: "boolean",
			status: "text",
			cursor: "integer",
			gaps: "integer",
			last_gap: "text",
			account_count: "integer",
			connection: "text",
		},
	},
	{
		name: "account",
		key: ["id"],
		columns: {
			id: "integer",
			did: "text",
			host: "integer",
			host_seq: "integer",
			last_time_ms: "integer",
			upstream_active: "boolean",
			upstream_status: "text",
			local_status: "text",
			waiting_since_us: "integer",
			status_lsn: "integer",
			taken_down: "boolean",
			rev: "text",
			commit_cid: "bytes",
			data_cid: "bytes",
		},
	},
	{
		name: "identity",
		key: ["did"],
		columns: {
			did: "text",
			signing_key: "text",
			pds: "text",
			tombstoned: "boolean",
			resolved_at_ms: "integer",
		},
	},
	{
		name: "policy",
		key: ["kind", "key"],
		columns: { kind: "text", key: "text", value: "text", told: "boolean" },
	},
	{
		name: "admin_action",
		key: ["lsn"],
		columns: {
			lsn: "integer",
			at_ms: "integer",
			address: "text",
			action: "text",
			subject: "text",
			before: "text",
			after: "text",
		},
	},
];

/** The names of a table's columns, in their order, quoted since some are words of SQL. */
export function columnNames({ columns }: CopiedTable): string[] {
	return Object.keys(columns).map(quoted);
}

/** The names of the columns of its key, quoted. */
export function keyNames({ key }: CopiedTable): string[] {
	return key.map(quoted);
}

/** The type of each column of the key. */
export function keyTypes({ key, columns }: CopiedTable): ColumnType[] {
	return key.map((name) => typeOf(columns, name));
}

/** The values of its key in a row. */
export function keyOf({ key, columns }: CopiedTable, row: Row): Value[] {
	const names = Object.keys(columns);
	return key.map((name) => row[names.indexOf(name)] ?? null);
}

function typeOf(columns: CopiedTable["columns"], name: string): ColumnType {
	const type = columns[name];
	if (type === undefined) throw new RangeError(`${name} is no column`);
	return type;
}

function quoted(name: string): string {
	return `"${name}"`;
}
