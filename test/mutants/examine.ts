import type { Mutant } from "./table.ts";

const VERIFY = ["log/local/examine/verify.test.ts"];

/** Faults in the commands that examine a log's files. */
export const EXAMINE_MUTANTS: readonly Mutant[] = [
	{
		name: "a segment that is gone is not missed",
		file: "log/local/examine/verify.ts",
		find: "before !== null && previousFirstLsn !== before.firstLsn",
		replace: "before !== null && previousFirstLsn === 0",
		tests: VERIFY,
	},
	{
		name: "the log may end with a footer",
		file: "log/local/examine/verify.ts",
		find: "if (footer !== null && isLast)",
		replace: "if (footer !== null && footer.dataEnd < 0)",
		tests: VERIFY,
	},
	{
		name: "an index that points elsewhere is not found",
		file: "log/local/examine/verify.ts",
		find: "this.#areEntriesRight &&= isRight;",
		replace: "this.#areEntriesRight ||= isRight;",
		tests: VERIFY,
	},
];
