import { GATE_NAMES, ruleOf, WHY_ANSWERS } from "../../src/why/answers.ts";
import { markdownTable } from "./markdown-table.ts";

/** Every answer of every gate as a Markdown table, in the order of the gates. */
export function whyTable(): string {
	const rows = GATE_NAMES.flatMap((gate) =>
		Object.keys(WHY_ANSWERS[gate]).map((answer) => {
			const { effect, words, action } = ruleOf(gate, answer);
			return [`\`${gate}\``, `\`${answer}\``, effect, words, action ?? ""];
		}),
	);
	return markdownTable(["gate", "answer", "effect", "in words", "what can be done"], rows);
}
