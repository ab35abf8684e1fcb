import type { Mutant } from "./table.ts";

const TEXT = ["protocol/text.test.ts"];
const ADMISSION = ["ingest/did/texts.test.ts"];
const STORE = ["index/sqlite/store.test.ts"];
const XRPC = ["http/xrpc.test.ts"];

/** Faults in what keeps texts that no store can hold out of the index. */
export const TEXT_MUTANTS: readonly Mutant[] = [
	{
		name: "a NUL counts as storable",
		file: "protocol/text.ts",
		find: "return !text.includes(NUL) && text.isWellFormed();",
		replace: "return text.isWellFormed();",
		tests: TEXT,
	},
	{
		name: "half of a surrogate pair counts as storable",
		file: "protocol/text.ts",
		find: "return !text.includes(NUL) && text.isWellFormed();",
		replace: "return !text.includes(NUL);",
		tests: TEXT,
	},
	{
		name: "an #account may have any status",
		file: "ingest/did/admit/account.ts",
		find: "	checkStatus(status);\n",
		replace: "",
		tests: ADMISSION,
	},
	{
		name: "the status that the operator set is checked instead of the host's",
		file: "ingest/did/admit/account.ts",
		find: "checkStatus(status);",
		replace: "checkStatus(account?.localStatus ?? status);",
		tests: ADMISSION,
	},
	{
		name: "texts of older messages get into rows as they are",
		file: "log/record/facts.ts",
		find: `return storable(bytes.toString("utf8", start, end));`,
		replace: `storable("");\nreturn bytes.toString("utf8", start, end);`,
		tests: STORE,
	},
	{
		name: "texts of older host records get into rows as they are",
		file: "log/record/control.ts",
		find: "return withStorableTexts({ id: hostOfKey(key), hostname, insecure, status, gaps, lastGap, connection });",
		replace: "return { id: hostOfKey(key), hostname, insecure, status, gaps, lastGap, connection };",
		tests: STORE,
	},
	{
		name: "any text of a request is looked up",
		file: "http/parameters.ts",
		find: 'if (typeof output === "string" && !isStorable(output))',
		replace: 'if (typeof output === "string" && output === "\\0")',
		tests: XRPC,
	},
	{
		name: "a log line may have half of a surrogate pair",
		file: "observe/log-value.ts",
		find: "maskedBeginning(text, STRING_CHARS_MAX, CUT).toWellFormed()",
		replace: "maskedBeginning(text, STRING_CHARS_MAX, CUT)",
		tests: ["observe/log.test.ts"],
	},
];
