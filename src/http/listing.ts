/**
 * Reads of the index that one request may cause. A page may therefore have fewer rows than its limit; its cursor then says that
 * there are more.
 */
const READS_MAX = 10;

export interface Page<Row> {
	rows: Row[];
	/** Absent on the last page. */
	cursor?: string;
}

/**
 * Reads one page of rows that are in order of their id.
 * @param read gives up to `limit` rows with an id greater than `afterId`
 * @param listed says whether a row is shown
 */
export async function readPage<Row extends { id: number }>(
	read: (afterId: number, limit: number) => Promise<Row[]>,
	listed: (row: Row) => boolean,
	afterId: number,
	limit: number,
): Promise<Page<Row>> {
	const rows: Row[] = [];
	let lastId = afterId;
	for (let reads = 0; reads < READS_MAX; reads++) {
		// One row more than the page may show tells whether another page follows.
		const found = await read(lastId, limit + 1);
		for (const row of found) {
			if (!listed(row)) {
				lastId = row.id;
				continue;
			}
			if (rows.length === limit) return { rows, cursor: String(lastId) };
			rows.push(row);
			lastId = row.id;
		}
		if (found.length <= limit) return { rows };
	}
	return { rows, cursor: String(lastId) };
}
