import type { Mutant } from "./table.ts";

const CHECK = ["peer/check/table.test.ts"];
const COMPARE = ["cli/compare.test.ts"];
const LEDGER = ["peer/compare/ledger.test.ts"];
const COMMAND = ["cli/check.test.ts"];

/** Faults in what the commands say of other relays. */
export const PEER_MUTANTS: readonly Mutant[] = [
	{
		name: "a gap after a cursor is not seen",
		file: "peer/check/stream-checks.ts",
		find: "if (wanted[at] !== got[at])",
		replace: "if (wanted[at] !== got[at] && got[at] === first?.seq)",
		tests: CHECK,
	},
	{
		name: "a row that is listed twice is not seen",
		file: "peer/check/listing.ts",
		find: "if (keys.has(key)) return ended",
		replace: "if (keys.has(key) && kind.path === key) return ended",
		tests: CHECK,
	},
	{
		name: "an error counts whatever its name",
		file: "peer/check/answers.ts",
		find: "if (!names.includes(name))",
		replace: "if (!name)",
		tests: CHECK,
	},
	{
		name: "frames that had to be repaired count as good",
		file: "peer/check/connection.ts",
		find: "if (repairs !== null)",
		replace: "if (repairs !== null && repairs.has(message.did))",
		tests: CHECK,
	},
	{
		name: "a broken rule that must be kept does not change the exit code",
		file: "cli/check.ts",
		find: 'if (result.result === "fail" && result.severity === "must") counts.failedMust++;',
		replace: "",
		tests: COMMAND,
	},
	{
		name: "what comes shortly before the end counts as lost",
		file: "peer/compare/ledger.ts",
		find: " || firstMs > endMs - graceMs) {",
		replace: ") {",
		tests: LEDGER,
	},
	{
		name: "a commit matches any other of its account",
		file: "peer/compare/event.ts",
		find: 'if (message.type === "commit" || message.type === "sync") return message.rev;',
		replace: 'if (message.type === "commit" || message.type === "sync") return "";',
		tests: COMPARE,
	},
	{
		name: "a repeat of what all relays had counts as a message that the others lack",
		file: "peer/compare/ledger.ts",
		find: "this.#matched.has(key) || ",
		replace: "",
		tests: LEDGER,
	},
	{
		name: "messages are remembered without a limit",
		file: "peer/compare/ledger.ts",
		find: "if (this.#pending.size + this.#matched.size < this.#options.eventsMax) return;",
		replace: "if (this.#options.eventsMax > 0) return;",
		tests: LEDGER,
	},
];
