import { openIndexWriter } from "../../src/index/open.ts";
import type { IndexWriter } from "../../src/index/writer.ts";
import { NEW_LOG } from "./store-cases.ts";

/** Opens an index in SQLite for writing, as the index thread does. The log is a new one by default. */
export function openWriter(path: string, log = NEW_LOG): Promise<IndexWriter> {
	return openIndexWriter(`sqlite://${path}`, log);
}
