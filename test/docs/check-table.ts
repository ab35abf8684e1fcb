import { CHECK_NAMES, CHECKS } from "../../src/peer/check/table.ts";
import { markdownTable } from "./markdown-table.ts";

/** Every check of `standpipe check` as a Markdown table, in the order in which they are made. */
export function checkTable(): string {
	const rows = CHECK_NAMES.map((name) => {
		const { severity, expected, source } = CHECKS[name];
		return [`\`${name}\``, severity, expected, source];
	});
	return markdownTable(["check", "severity", "what a conformant relay does", "source"], rows);
}
