// index/copy/: moves an index from one database to another, while no relay runs. It knows tables and rows, and not what they mean.

import { pages } from "../pages.ts";
import { StoreBroken } from "../store-fault.ts";
import { Checksum } from "./checksum.ts";
import { type CopyRows, type CopySide, type Progress, ROWS_PER_PAGE } from "./side.ts";
import { COPIED_TABLES, type CopiedTable, type Row } from "./tables.ts";

/** How far a copy is. Rows are read and written first, and then read again at the target. */
export interface CopyStep {
	readonly phase: "copy" | "check";
	/** Rows done in this phase, of all tables. */
	readonly rows: number;
	readonly rowsTotal: number;
}

/** What was copied. */
export interface Copied extends Progress {
	/** Rows of each table, by its name. */
	readonly rows: Readonly<Record<string, number>>;
}

/** The target holds an index already, or the rows that arrived there are others. Nothing was written. */
export class CopyError extends StoreBroken {
	override readonly name = "CopyError";
}

/**
 * Copies an index to an empty one, in one transaction: every row with its id, so that listings go on where they were, and how far the index
 * is. Before it commits, it reads the target's rows and compares counts and sums with the source's.
 *
 * @param onStep called after each page
 * @throws CopyError if the target is not empty, or if the rows differ
 */
export async function copyIndex(from: CopySide, to: CopySide, onStep: (step: CopyStep) => void): Promise<Copied> {
	return await from.transaction((source) =>
		to.transaction(async (target) => {
			await checkEmpty(target, to.place);
			const rowsTotal = await countAll(source);
			const sums = await copyRows(source, target, steps("copy", rowsTotal, onStep));
			await checkRows(target, sums, to.place, steps("check", rowsTotal, onStep));
			const progress = await source.progress();
			await target.setProgress(progress);
			return { ...progress, rows: Object.fromEntries(sums.map(([{ name }, { rows }]) => [name, rows])) };
		}),
	);
}

/** @throws CopyError if an index has anything */
export async function checkEmpty(target: CopyRows, place: string): Promise<void> {
	const { checkpoint, hostIdMax } = await target.progress();
	const rows = await countAll(target);
	if (rows > 0 || checkpoint > 0 || hostIdMax > 0)
		throw new CopyError(`${place} holds an index already, of ${rows} rows: name an empty database`);
}

async function countAll(rows: CopyRows): Promise<number> {
	let total = 0;
	for (const table of COPIED_TABLES) total += await rows.count(table);
	return total;
}

type Sums = [CopiedTable, Checksum][];

async function copyRows(source: CopyRows, target: CopyRows, onRows: (count: number) => void): Promise<Sums> {
	const sums: Sums = [];
	for (const table of COPIED_TABLES) {
		const sum = new Checksum();
		for await (const page of pagesOf(source, table)) {
			sum.add(page);
			await target.insert(table, page);
			onRows(page.length);
		}
		sums.push([table, sum]);
	}
	return sums;
}

async function checkRows(target: CopyRows, sums: Sums, place: string, onRows: (count: number) => void): Promise<void> {
	for (const [table, expected] of sums) {
		const found = new Checksum();
		for await (const page of pagesOf(target, table)) {
			found.add(page);
			onRows(page.length);
		}
		if (String(found) !== String(expected))
			throw new CopyError(
				`the table ${table.name} in ${place} has ${found}, and the source ${expected}: nothing was kept of the copy`,
			);
	}
}

function pagesOf(rows: CopyRows, table: CopiedTable): AsyncIterable<Row[]> {
	return pages((after: Row | null) => rows.page(table, after, ROWS_PER_PAGE));
}

/** A function that adds up rows and reports them. */
function steps(phase: CopyStep["phase"], rowsTotal: number, onStep: (step: CopyStep) => void): (count: number) => void {
	let rows = 0;
	return (count) => {
		rows += count;
		onStep({ phase, rows, rowsTotal });
	};
}
