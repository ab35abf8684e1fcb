import type { Mutant } from "./table.ts";

const CHECK = ["peer/check/table.test.ts"];
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
];
