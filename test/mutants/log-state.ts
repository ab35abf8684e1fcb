import type { Mutant } from "./table.ts";

const STATE = ["log/state.test.ts"];
const RESTATED = ["log/local/restated-state.test.ts"];

/** Faults in the state that the log restates at the beginning of each segment. */
export const LOG_STATE_MUTANTS: readonly Mutant[] = [
	{
		name: "a record that has the lsn of a torn one of the state counts as one of the state",
		file: "log/local/recovery/read-state.ts",
		find: "if (!isRestated || lsn < stateLsn",
		replace: "if (lsn < stateLsn",
		tests: RESTATED,
	},
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
	{
		name: "a new segment does not restate the log's state",
		file: "log/local/segment/segment-writer.ts",
		find: "if (content.state.length > 0) made.append(content.state, false);",
		replace: "",
		tests: RESTATED,
	},
	{
		name: "what is appended is no part of the log's state",
		file: "log/local/write/log-writer.ts",
		find: "this.#state.addAll(batch.bytes);",
		replace: "",
		tests: RESTATED,
	},
	{
		name: "a start takes a damaged state for a whole one",
		file: "log/local/recovery/read-state.ts",
		find: "return this.#restated === this.#header.stateRecords;",
		replace: "return true;",
		tests: RESTATED,
	},
	{
		name: "a batch that is tried again forgets that the log's state came after it",
		file: "log/local/write/log-writer.ts",
		find: "this.#nextLsn = this.#active.state.lastLsn + 1;",
		replace: "",
		tests: RESTATED,
	},
	{
		name: "a state that fills a segment ends it",
		file: "log/local/write/log-writer.ts",
		find: " && recordBytes >= state.stateBytes",
		replace: "",
		tests: RESTATED,
	},
	{
		name: "a state that was written is not published before the next batch",
		file: "log/local/write/log-writer.ts",
		find: "if (this.#hasUnpublishedState) this.#publishAll();",
		replace: "",
		tests: RESTATED,
	},
	{
		name: "a new log is not told of the hosts of an index that it takes over",
		file: "hosts/manager.ts",
		find: "if (this.#options.isLogNew) await this.#tellLog(page);",
		replace: "",
		tests: ["hosts/manager.test.ts"],
	},
	{
		name: "a host is connected to before a new log has its cursor",
		file: "hosts/manager.ts",
		find: "if (this.#options.isLogNew) await this.#tellLog(page);",
		replace: "if (this.#options.isLogNew) void this.#tellLog(page);",
		tests: ["hosts/manager.test.ts"],
	},
];
