import type { Mutant } from "./table.ts";

const MASKING = ["observe/masking.test.ts"];
const REPEATS = ["observe/repeats.test.ts"];
const SECRETS = ["config/secret-file.test.ts", "config/settings.test.ts"];

/** Faults in what tells the operator: lines of the log that show secrets or leave things out, and how secrets are given. */
export const OPERATIONS_MUTANTS: readonly Mutant[] = [
	{
		name: "the log shows a secret as it stands in a URL",
		file: "observe/masking.ts",
		find: "	const url = encodeURIComponent(whole);\n",
		replace: "	const url = whole;\n",
		tests: MASKING,
	},
	{
		name: "the log shows the beginning of a secret that was cut",
		file: "observe/masking.ts",
		find: "masked(text.slice(0, reach)).slice(0, -margin)",
		replace: "masked(text.slice(0, charsMax))",
		tests: MASKING,
	},
	{
		name: "lines that were left out are not summed up if their sentence is forgotten",
		file: "observe/repeats.ts",
		find: "if (oldest !== undefined) this.#end(...oldest);",
		replace: "if (oldest !== undefined) this.#windows.delete(oldest[0]);",
		tests: REPEATS,
	},
	{
		name: "an error is left out since there were too many warnings",
		file: "observe/repeats.ts",
		find: "[level, ...category,",
		replace: "[...category,",
		tests: REPEATS,
	},
	{
		name: "a secret may stand on the command line",
		file: "config/settings.ts",
		find: 'by.startsWith("--") && secretsIn(one, value).length > 0',
		replace: 'by.startsWith("--") && secretsIn(one, value).length < 0',
		tests: SECRETS,
	},
	{
		name: "the newline at the end of a secret's file is a part of the secret",
		file: "config/secret-file.ts",
		find: '.replace(/\\r?\\n$/, "")',
		replace: "",
		tests: SECRETS,
	},
];
