import { openIndexWriter } from "../../src/index/open.ts";
import type { IndexWriter } from "../../src/index/writer.ts";
import { NEW_LOG } from "./store-cases.ts";

/** Opens an index in SQLite for writing, as the index thread does for a new log. */
export function openWriter(path: string): Promise<IndexWriter> {
	return openIndexWriter(`sqlite://${path}`, NEW_LOG);
}
