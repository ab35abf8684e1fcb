import { REJECTION_REASON_NAMES, REJECTION_REASONS, type Reason } from "../../src/protocol/reasons.ts";
import { readMarkdown } from "./markdown.ts";
import { markdownTable } from "./markdown-table.ts";

/** Every reason as a Markdown table, in the order of the checks. */
export async function reasonsTable(): Promise<string> {
	const { headings } = await readMarkdown("docs/rulebook.md");
	const sectionLink = (section: string): string => {
		const heading = headings.find(({ text }) => new RegExp(`^${section.replaceAll(".", "\\.")}\\.? `).test(text));
		if (heading === undefined) throw new Error(`the rulebook has no section ${section}`);
		return `[${section}](rulebook.md#${heading.id})`;
	};
	return markdownTable(
		["reason", "what is wrong", "strict only", "rulebook"],
		REJECTION_REASON_NAMES.map((name) => {
			const { meaning, section, leniently } = REJECTION_REASONS[name];
			return [`\`${name}\``, meaning, STRICT_ONLY[leniently], sectionLink(section)];
		}),
	);
}

/** Whether only a strict relay drops such a message. */
const STRICT_ONLY: Record<Reason["leniently"], string> = { dropped: "no", "partly passed": "in part", passed: "yes" };
