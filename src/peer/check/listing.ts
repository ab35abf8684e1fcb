import type * as v from "valibot";
import { okBody } from "./answers.ts";
import type { Client } from "./client.ts";
import { FailCheck } from "./verdict.ts";

const CURSOR_CHARS_MAX = 1_000;

/** A listing of XRPC, read page by page. */
export interface ListingKind<Row> {
	path: string;
	/** What a page is. */
	page: v.GenericSchema<unknown, { cursor?: string | undefined; rows: Row[] }>;
	/** What tells a row from others. */
	keyOf(row: Row): string;
}

/** What was read of a listing. */
export interface Listing<Row> {
	rows: readonly Row[];
	pages: number;
	/** The page that has no cursor was read. */
	isComplete: boolean;
	/** What is wrong with the pages; null if nothing is. */
	fault: string | null;
}

export interface ListingLimits {
	/** Rows of a page that are asked for. */
	limit: number;
	pagesMax: number;
}

/** One page. @throws FailCheck if it is not what the lexicon says */
export async function readListPage<Row>(
	client: Client,
	{ path, page }: ListingKind<Row>,
	limit: number,
	cursor: string | null,
): Promise<{ cursor: string | null; rows: Row[] }> {
	const parameters = { limit: String(limit), ...(cursor === null ? {} : { cursor }) };
	const { rows, cursor: next } = okBody(page, await client.get(path, parameters));
	return { rows, cursor: next ?? null };
}

/**
 * Reads pages until one has no cursor, or the limit of pages is reached, or something is wrong with them.
 * @throws FailCheck if a page is not what the lexicon says
 */
export async function readListing<Row>(
	client: Client,
	kind: ListingKind<Row>,
	{ limit, pagesMax }: ListingLimits,
): Promise<Listing<Row>> {
	const rows: Row[] = [];
	const keys = new Set<string>();
	const cursors = new Set<string>();
	let cursor: string | null = null;
	for (let pages = 1; pages <= pagesMax; pages++) {
		const page: { cursor: string | null; rows: Row[] } = await readListPage(client, kind, limit, cursor);
		const ended = (fault: string | null): Listing<Row> => ({ rows, pages, isComplete: page.cursor === null, fault });
		if (page.rows.length > limit) return ended(`page ${pages} has ${page.rows.length} rows, not ${limit} at most`);
		for (const row of page.rows) {
			const key = kind.keyOf(row);
			if (keys.has(key)) return ended(`${key} is listed twice`);
			keys.add(key);
			rows.push(row);
		}
		if (page.cursor === null) return ended(null);
		if (page.rows.length === 0) return ended(`page ${pages} is empty and has a cursor all the same`);
		if (cursors.has(page.cursor)) return ended(`page ${pages} gives the cursor of an earlier page`);
		if (page.cursor.length > CURSOR_CHARS_MAX) return ended(`the cursor has more than ${CURSOR_CHARS_MAX} characters`);
		cursors.add(page.cursor);
		({ cursor } = page);
	}
	return { rows, pages: pagesMax, isComplete: false, fault: null };
}

/** How many rows are read one by one. */
const SINGLE_ROWS = 3;

/**
 * Reads the first rows by pages of one row.
 * @param rows the first rows, as pages of many rows gave them
 * @throws FailCheck if they are not the same rows, or the pages end early
 */
export async function checkSinglePages<Row>(
	client: Client,
	kind: ListingKind<Row>,
	rows: readonly Row[],
): Promise<number> {
	const wanted = rows.slice(0, SINGLE_ROWS);
	const keys = new Set<string>();
	let cursor: string | null = null;
	for (const [at] of wanted.entries()) {
		const page: { cursor: string | null; rows: Row[] } = await readListPage(client, kind, 1, cursor);
		const [row] = page.rows;
		if (row === undefined || page.rows.length > 1)
			throw new FailCheck(`limit=1: page ${at + 1} has ${page.rows.length} rows`);
		const key = kind.keyOf(row);
		if (keys.has(key)) throw new FailCheck(`limit=1: ${key} is on two pages`);
		keys.add(key);
		if (page.cursor === null && at + 1 < rows.length)
			throw new FailCheck(`limit=1: page ${at + 1} has no cursor, although there are ${rows.length} rows`);
		({ cursor } = page);
	}
	return wanted.length;
}
