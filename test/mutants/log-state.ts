import type { Mutant } from "./table.ts";

const STATE = ["log/state.test.ts"];

/** Faults of what the log restates of itself. */
export const LOG_STATE_MUTANTS: readonly Mutant[] = [
	{
		name: "the log's state has no cursors",
		file: "log/state.ts",
		find: "from < cursors.length",
		replace: "false",
		tests: STATE,
	},
	{
		name: "a key that was removed stays in the log's state",
		file: "log/state.ts",
		find: "this.#values.get(kind)?.delete(name);",
		replace: "",
		tests: STATE,
	},
	{
		name: "kinds of later releases are no part of the log's state",
		file: "log/state.ts",
		find: "(flags & RecordFlag.state) !== 0",
		replace: "kind === CONTROL_CODES.host",
		tests: STATE,
	},
	{
		name: "a kind of a later release ends the process",
		file: "log/record/control.ts",
		find: "return kind === undefined ? null : controlOf(kind, facts);",
		replace: 'if (kind === undefined) throw new Error("unknown kind");\n\treturn controlOf(kind, facts);',
		tests: ["index/fold.test.ts", "log/record/control.test.ts"],
	},
];
