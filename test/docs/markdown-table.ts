/** A Markdown table. A bar in a cell is escaped. */
export function markdownTable(heads: readonly string[], rows: readonly (readonly string[])[]): string {
	const line = (cells: readonly string[]): string =>
		`| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
	return [line(heads), `|${"---|".repeat(heads.length)}`, ...rows.map(line)].join("\n");
}
