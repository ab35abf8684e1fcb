import type { Mutant } from "./table.ts";

/** Faults in what the relay says about itself. */
export const OBSERVE_MUTANTS: readonly Mutant[] = [
	{
		name: "a replay counts as a slow delivery",
		file: "fanout/pump.ts",
		find: "if (isLive && lsn !== null",
		replace: "if (lsn !== null",
		tests: ["fanout/deliveries.test.ts"],
	},
	{
		name: "a slot of the messages' times that was given to another message is taken for this one's",
		file: "log/message-times.ts",
		find: "if (numbers[at + LSN] !== lsn) return 0;\n\t\tconst timeMs = numbers[at + number] ?? 0;\n\t\t// The slot may have been given to another message meanwhile.\n\t\treturn numbers[at + LSN] === lsn ? timeMs : 0;",
		replace: "return numbers[at + number] ?? 0;",
		tests: ["log/message-times.test.ts"],
	},
];
