import type { PageQuery, TablePage } from "../control/dashboard.ts";

/** The value by which a row is sorted. Rows that have none (null) come last, whatever the direction. */
export type SortValue = string | number | null;

/**
 * One page of rows that match, in the order that is asked for. Rows of one value are in the order of their names.
 *
 * @param known rows in all, with those that do not match
 */
export function pageOf<Row, Sort extends string>(
	matching: readonly Row[],
	known: number,
	{ sort, descending, offset, limit }: PageQuery<Sort>,
	sortValue: (row: Row, sort: Sort) => SortValue,
	nameOf: (row: Row) => string | number,
): TablePage<Row> {
	const sign = descending ? -1 : 1;
	const sorted = matching
		.map((row) => ({ row, value: sortValue(row, sort), name: nameOf(row) }))
		.sort((a, b) => {
			if (a.value === null || b.value === null)
				return Number(a.value === null) - Number(b.value === null) || order(a.name, b.name);
			return sign * order(a.value, b.value) || order(a.name, b.name);
		});
	const rows = sorted.slice(offset, offset + limit).map(({ row }) => row);
	return { rows, matching: matching.length, known };
}

function order(a: string | number, b: string | number): number {
	return a < b ? -1 : a > b ? 1 : 0;
}
