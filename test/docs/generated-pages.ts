import { join } from "node:path";
import { settingsTable } from "../../src/config/settings.ts";
import { checkTable } from "./check-table.ts";
import { metricsTable } from "./metrics-table.ts";
import { ROOT, readPage } from "./page.ts";
import { reasonsTable } from "./reasons-table.ts";
import { whyTable } from "./why-table.ts";

/** A page with a table that is made from the code. The table stands between two comments; the rest is written by hand. */
export interface GeneratedPage {
	/** Relative to the root of the repository. */
	path: string;
	table: () => string | Promise<string>;
}

export const GENERATED_PAGES: readonly GeneratedPage[] = [
	{ path: "docs/settings.md", table: settingsTable },
	{ path: "docs/metrics.md", table: metricsTable },
	{ path: "docs/reasons.md", table: reasonsTable },
	{ path: "docs/why.md", table: whyTable },
	{ path: "docs/check.md", table: checkTable },
];

const BEGIN = "<!-- generated: change the code and run `make docs` -->";
const END = "<!-- end of generated -->";

/** Writes each page anew whose table is not what the code says. Returns their paths. */
export async function writePages(): Promise<string[]> {
	const written: string[] = [];
	for (const page of GENERATED_PAGES) {
		const text = await readPage(page.path);
		const wanted = withTable(text, await page.table());
		if (wanted === text) continue;
		await Bun.write(join(ROOT, page.path), wanted);
		written.push(page.path);
	}
	return written;
}

/**
 * The page with this table in the place of the one it has.
 * @throws {Error} if the page does not have each of the two comments once, in their order
 */
export function withTable(text: string, table: string): string {
	const [before, rest, ...more] = text.split(BEGIN);
	const [old, after, ...others] = rest?.split(END) ?? [];
	if (before === undefined || old === undefined || after === undefined || more.length + others.length > 0)
		throw new Error(`the page needs one line ${BEGIN} and, after it, one line ${END}`);
	return `${before}${BEGIN}\n\n${table.trim()}\n\n${END}${after}`;
}
