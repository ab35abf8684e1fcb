import { openSqliteStore } from "../../src/index/sqlite/store.ts";
import { IndexWriter } from "../../src/index/writer.ts";

/** Opens an index in SQLite for writing, as the index thread does. */
export function openWriter(path: string): IndexWriter {
	return new IndexWriter(openSqliteStore(path));
}
