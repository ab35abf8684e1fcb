import { type ClaimingLog, claimIndex } from "./claim.ts";
import { openSqliteStore } from "./sqlite/store.ts";
import { IndexWriter } from "./writer.ts";

/**
 * Opens the index for its one writer, for the log that it is to follow. Makes it if it is absent, and brings one of an older
 * schema up to the present one.
 *
 * @throws StoreBroken if it can't be used, a ForeignIndexError if it is another log's
 */
export async function openIndexWriter(path: string, log: ClaimingLog): Promise<IndexWriter> {
	const store = openSqliteStore(path);
	try {
		await claimIndex(store, log, path);
	} catch (error) {
		await store.close();
		throw error;
	}
	return new IndexWriter(store, log.id);
}
