import type { Mutant } from "./table.ts";

const COPY = ["index/copy/copy.test.ts"];
const RELAY = ["relay/index-copy.test.ts"];

/** Faults in the command that moves an index. Each would lose rows, or touch an index that is in use. */
export const INDEX_COPY_MUTANTS: readonly Mutant[] = [
	{
		name: "a copy is kept whatever arrived",
		file: "index/copy/copy.ts",
		find: "if (String(found) !== String(expected))",
		replace: `if (String(expected) === "")`,
		tests: COPY,
	},
	{
		name: "only the number of the copied rows is compared",
		file: "index/copy/checksum.ts",
		find: "this.#sum += Bun.hash.wyhash(JSON.stringify(row.map(writable)));",
		replace: "this.#sum += BigInt(row.map(writable).length);",
		tests: COPY,
	},
	{
		name: "an index is copied over another one",
		file: "index/copy/copy.ts",
		find: "if (rows > 0 || checkpoint > 0 || hostIdMax > 0)",
		replace: "if (rows < 0)",
		tests: COPY,
	},
	{
		name: "the checkpoint is not copied",
		file: "index/copy/copy.ts",
		find: "await target.setProgress(progress);",
		replace: "",
		tests: COPY,
	},
	{
		name: "of a table only the first page is copied",
		file: "index/copy/copy.ts",
		find: "pages((after: Row | null) => rows.page(table, after, ROWS_PER_PAGE))",
		replace: "pages(async (after: Row | null) => (after === null ? rows.page(table, after, ROWS_PER_PAGE) : []))",
		tests: COPY,
	},
	{
		name: "a file of SQLite is copied while a relay writes to it",
		file: "index/sqlite/copy-side.ts",
		find: `database.run("PRAGMA locking_mode = EXCLUSIVE");`,
		replace: "",
		tests: COPY,
	},
	{
		name: "an index in PostgreSQL is copied while a relay writes to it",
		file: "index/postgres/copy-side.ts",
		find: "		await lock.hold();\n",
		replace: "",
		tests: COPY,
	},
	{
		name: "a copy that fails keeps its rows in SQLite",
		file: "index/sqlite/copy-side.ts",
		find: `if (this.#database.inTransaction) this.#database.run("ROLLBACK");`,
		replace: `if (this.#database.inTransaction) this.#database.run("COMMIT");`,
		tests: COPY,
	},
	{
		name: "texts that an older release stored are copied as they are",
		file: "index/sqlite/copy-side.ts",
		find: `return typeof value === "string" ? storable(value) : value;`,
		replace: `return typeof value === "string" && storable("") === "" ? value : value;`,
		tests: COPY,
	},
	{
		name: "a copy that fails ends with the code of a misuse",
		file: "cli/program.ts",
		find: "return error instanceof Misuse ? EXIT.misused : EXIT.failed;",
		replace: "return EXIT.misused;",
		tests: RELAY,
	},
];
