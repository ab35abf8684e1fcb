import { parseArgs } from "node:util";

/** One line of a bench's table. */
export interface Row {
	name: string;
	value: number;
	unit: string;
	/** What to compare the value with, or what it is a ratio of. */
	note?: string;
}

/**
 * Prints a bench's table, and with `--json FILE` writes its figures as `{"figures": {name: number}}`.
 *
 * @param figures the numbers that have targets, by name
 */
export async function report(title: string, rows: readonly Row[], figures: Record<string, number>): Promise<void> {
	// Not strict, since a bench may have flags of its own.
	const { values } = parseArgs({ options: { json: { type: "string" } }, strict: false });
	const cells = rows.map(({ name, value, unit, note }) => [name, rounded(value), unit, note ?? ""]);
	const widths = [0, 1, 2].map((column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
	console.log(title);
	for (const [name = "", value = "", unit = "", note = ""] of cells) {
		const [nameWidth = 0, valueWidth = 0, unitWidth = 0] = widths;
		console.log(
			`  ${name.padEnd(nameWidth)}  ${value.padStart(valueWidth)} ${unit.padEnd(unitWidth)}  ${note}`.trimEnd(),
		);
	}
	if (typeof values.json === "string") await Bun.write(values.json, `${JSON.stringify({ figures })}\n`);
}

/** Shortens a number to three digits. A measurement on a shared machine is not more exact. */
export function rounded(value: number): string {
	return value >= 100 ? Math.round(value).toLocaleString("en-US") : value.toPrecision(3);
}

export function median(values: readonly number[]): number {
	const sorted = [...values].sort((a, b) => a - b);
	const middle = sorted[Math.floor(sorted.length / 2)];
	if (middle === undefined) throw new RangeError("the median of nothing");
	return middle;
}

/** The smallest value that a share of all values, from 0 to 1, does not exceed, such as `percentile(values, 0.99)`. */
export function percentile(values: readonly number[], share: number): number {
	const sorted = values.toSorted((a, b) => a - b);
	const found = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
	if (found === undefined) throw new RangeError("a percentile of nothing");
	return found;
}
