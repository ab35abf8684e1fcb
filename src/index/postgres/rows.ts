type Value = string | number | boolean | Uint8Array | null;

/** A column that a batch writes. */
export interface Column<Row> {
	name: string;
	/** PostgreSQL's name of the type. */
	type: "bigint" | "boolean" | "text" | "bytea";
	value(row: Row): Value;
}

/** Longer batches take several statements, so that none takes long. */
const ROWS_MAX = 1_000;

/**
 * A statement that writes any number of rows of a table. It takes an array for each column, so that it is parsed only once. `VALUES`
 * would be another statement for each number of rows.
 */
export class Upsert<Row> {
	readonly text: string;
	readonly #columns: readonly Column<Row>[];

	/**
	 * @param key the column that tells whether a row is there already, or several with commas between them
	 * @param kept columns of such a row that keep their values
	 */
	constructor(table: string, key: string, columns: readonly Column<Row>[], kept: readonly string[] = []) {
		this.#columns = columns;
		const names = columns.map(({ name }) => name);
		const changed = names.filter((name) => !key.split(", ").includes(name) && !kept.includes(name));
		this.text = `INSERT INTO ${table} (${names.join(", ")})
			SELECT ${columns.map(({ name, type }) => `${name}::${type}`).join(", ")}
			FROM unnest(${columns.map((_, at) => `$${at + 1}::text[]`).join(", ")}) AS row (${names.join(", ")})
			ON CONFLICT (${key}) DO UPDATE SET ${changed.map((name) => `${name} = excluded.${name}`).join(", ")}`;
	}

	/** The arguments of each execution of the statement that these rows need. */
	*slices(rows: readonly Row[]): Iterable<string[]> {
		for (let at = 0; at < rows.length; at += ROWS_MAX) {
			const slice = rows.slice(at, at + ROWS_MAX);
			yield this.#columns.map(({ value }) => arrayOf(slice.map(value)));
		}
	}
}

/** An array in PostgreSQL's notation. */
export function arrayOf(values: Iterable<Value>): string {
	return `{${Array.from(values, elementOf).join(",")}}`;
}

function elementOf(value: Value): string {
	if (value === null) return "NULL";
	if (typeof value === "string") return `"${value.replace(/["\\]/g, "\\$&")}"`;
	if (typeof value === "object") return `"\\\\x${value.toHex()}"`;
	return String(value);
}
