import type { Mutant } from "./table.ts";

const LIST = ["verify/touched.test.ts"];
const TOUCHED = ["verify/engines/touched.test.ts"];
const FACTS = ["log/record/facts.test.ts"];

/** Faults in what a commit's record says of the collections that the commit touches. */
export const FACTS_MUTANTS: readonly Mutant[] = [
	{
		name: "fills: before and after the commit are exchanged",
		file: "verify/portable/collections.ts",
		find: "before: fillOf(before, prefix),\n\t\t\tafter: fillOf(after, prefix),",
		replace: "before: fillOf(after, prefix),\n\t\t\tafter: fillOf(before, prefix),",
		tests: TOUCHED,
	},
	{
		name: "fills: an unknown one counts as empty",
		file: "verify/portable/collections.ts",
		find: 'return "unknown";',
		replace: 'return "empty";',
		tests: TOUCHED,
	},
	{
		name: "fills: a longer collection name counts as the collection",
		file: "verify/portable/collections.ts",
		find: "current.keys[index]?.startsWith(prefix)",
		replace: "current.keys[index]?.startsWith(prefix.slice(0, -1))",
		tests: TOUCHED,
	},
	{
		name: "fills: only records to the right of the key are looked at",
		file: "verify/portable/collections.ts",
		find: "childAt(current, index)",
		replace: "childAt(current, index + 1)",
		tests: TOUCHED,
	},
	{
		name: "touched collections are in the order of the ops",
		file: "verify/portable/collections.ts",
		find: "[...prefixes].sort()",
		replace: "[...prefixes]",
		tests: TOUCHED,
	},
	{
		name: "touched collections of a tree that is not the one before are listed",
		file: "verify/portable/engine.ts",
		find: 'if (linkOfTree(before) !== expected) throw new Rejection("prev-data-mismatch");',
		replace: "",
		tests: TOUCHED,
	},
	{
		name: "touched collections are read with before and after exchanged",
		file: "verify/touched.ts",
		find: "before: fillOf(fills), after: fillOf(fills >> AFTER_SHIFT)",
		replace: "before: fillOf(fills >> AFTER_SHIFT), after: fillOf(fills)",
		tests: LIST,
	},
	{
		name: "touched collections that are not listed count as none",
		file: "log/record/facts.ts",
		find: "? NOT_LISTED :",
		replace: "? new Uint8Array(NOT_LISTED.length) :",
		tests: FACTS,
	},
	{
		name: "touched collections are listed beyond the limit of a record",
		file: "log/record/facts.ts",
		find: "touched.length > touchedBytesMax",
		replace: "touched.length > RECORD_FACTS_BYTES_MAX",
		tests: FACTS,
	},
	{
		name: "touched collections are not written to the log",
		file: "ingest/did/admit/repo.ts",
		find: "touched: verdict.touched",
		replace: "touched: null",
		tests: ["ingest/did/touched.test.ts"],
	},
];
