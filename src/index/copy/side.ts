import type { CopiedTable, Row } from "./tables.ts";

/** How far an index is, and whose it is. */
export interface Progress {
	/** Lsn of the last record applied; 0 before the first. */
	readonly checkpoint: number;
	readonly hostIdMax: number;
	/** Null if no log has claimed it. */
	readonly logId: string | null;
}

/** The rows of an index, within one transaction. */
export interface CopyRows {
	progress(): Promise<Progress>;
	/** How many rows a table has. */
	count(table: CopiedTable): Promise<number>;
	/** Up to `limit` rows whose keys come after that of the row `after`, in the order of the key. From the first row if it is null. */
	page(table: CopiedTable, after: Row | null, limit: number): Promise<Row[]>;
	/** @param rows at most `ROWS_PER_PAGE` */
	insert(table: CopiedTable, rows: readonly Row[]): Promise<void>;
	setProgress(progress: Progress): Promise<void>;
}

/** Rows that are held in memory at once. */
export const ROWS_PER_PAGE = 1_000;

/**
 * An index that is copied, or the place of one that is to be. As long as it is open, no relay can use it, unless it is a snapshot. Its
 * errors are those of `IndexReader`.
 */
export interface CopySide {
	/** The name of the place in messages. It shows no secrets. */
	readonly place: string;
	/** Runs `work` in one transaction that sees one state of the database. If `work` throws, nothing was written. */
	transaction<Result>(work: (rows: CopyRows) => Promise<Result>): Promise<Result>;
	close(): Promise<void>;
}
