import type { Mutant } from "./table.ts";

const EXCESS = ["descriptors/excess.test.ts"];
const GUARD = ["descriptors/guard.test.ts"];
const HEADROOM = ["descriptors/headroom.test.ts"];
const FILTER = ["descriptors/packet-filter.test.ts"];
const METRIC = ["observe/metric.test.ts"];
const HANDOVER = ["log/handover.test.ts"];

/** Faults at the machine's limits, in metrics, and in what a start and the relay's log lines say. */
export const MACHINE_MUTANTS: readonly Mutant[] = [
	{
		name: "a consumer may be disconnected to free its descriptor",
		file: "descriptors/excess.ts",
		find: "list.filter(({ isAnswered }) => !isAnswered)",
		replace: "[...list]",
		tests: EXCESS,
	},
	{
		name: "one network may take all descriptors",
		file: "descriptors/excess.ts",
		find: "Math.min(limits.plainPerNetworkMax ?? unlimited, fair)",
		replace: "fair",
		tests: EXCESS,
	},
	{
		name: "a network is refused for ever",
		file: "descriptors/guard.ts",
		find: "this.#firstEndMs() <= this.#timing.nowMs()",
		replace: "false",
		tests: GUARD,
	},
	{
		name: "the guard does not look again soon if it had no descriptor to look with",
		file: "descriptors/guard.ts",
		find: 'log.warning("open descriptors can\'t be checked: {error}", { error });\n\t\t\treturn true;',
		replace: 'log.warning("open descriptors can\'t be checked: {error}", { error });\n\t\t\treturn false;',
		tests: GUARD,
	},
	{
		name: "the log does not use the reserve of descriptors",
		file: "descriptors/headroom.ts",
		find: "libc.setOpenLimit({ soft: hard, hard });",
		replace: "",
		tests: HEADROOM,
	},
	{
		name: "the reserve of descriptors is free for all after it was used",
		file: "descriptors/headroom.ts",
		find: "if (lowered.soft > 0) libc.setOpenLimit(lowered);",
		replace: "void lowered;",
		tests: HEADROOM,
	},
	{
		name: "a file of the log can't be opened while another thread returns the reserve",
		file: "descriptors/headroom.ts",
		find: "raises === RAISES_MAX",
		replace: "raises === 1",
		tests: HEADROOM,
	},
	{
		name: "a whole IPv6 neighbourhood is refused with a network",
		file: "descriptors/packet-filter.ts",
		find: "[JUMP_IF_EQUAL, 0, 1, low]",
		replace: "[JUMP_IF_EQUAL, 0, 0, low]",
		tests: FILTER,
	},
	{
		name: "too many open files count as a fault of the disk",
		file: "disk/fault.ts",
		find: 'EMFILE: "too-many-files"',
		replace: 'EMFILE: "io-error"',
		tests: ["log/local/disk-fault.test.ts"],
	},
	{
		name: "consumers are cut off while too many files are open",
		file: "log/local/read/background-reader.ts",
		find: "if (isTooManyFiles(error)) return Bun.sleep(TOO_MANY_FILES_RETRY_MS);",
		replace: "",
		tests: ["log/local/read/background-reader.test.ts"],
	},
	{
		name: "a start that logs no record does not note the used numbers",
		file: "log/local/write/numbers-in-use.ts",
		find: "this.#file.write(exactly(place, false), true);",
		replace: "",
		tests: ["log/local/recovery/recovery.test.ts"],
	},
	{
		name: "a property of a log line replaces the time",
		file: "observe/log.ts",
		find: "RESERVED.has(key) ?",
		replace: "key === null ?",
		tests: ["observe/log.test.ts"],
	},
	{
		name: "a metric has the same cell in every thread",
		file: "observe/totals.ts",
		find: "known.places.push({ row, cell });",
		replace: "known.places.push({ row, cell: known.declaration.cell });",
		tests: METRIC,
	},
	{
		name: "all values of a label share one cell",
		file: "observe/metric.ts",
		find: "cellsUsed += cells;",
		replace: "cellsUsed += cellsEach(metric);",
		tests: METRIC,
	},
	{
		name: "a histogram's sum is counted as a value above its bounds",
		file: "observe/metric.ts",
		find: "return bounds.length + 2;",
		replace: "return bounds.length + 1;",
		tests: METRIC,
	},
	{
		name: "a value equal to a bound is counted above the bound",
		file: "observe/counters.ts",
		find: "value > (bounds[bucket] ?? 0)",
		replace: "value >= (bounds[bucket] ?? 0)",
		tests: METRIC,
	},
	{
		name: "a value below zero is added to a histogram's sum",
		file: "observe/counters.ts",
		find: "!(value >= 0 && value < Number.POSITIVE_INFINITY)",
		replace: "Number.isNaN(value)",
		tests: METRIC,
	},
	{
		name: "a histogram's buckets are not cumulative",
		file: "observe/totals.ts",
		find: "count += sumAt(first + bucket);",
		replace: "count = sumAt(first + bucket);",
		tests: METRIC,
	},
	{
		name: "the log sleeps although it has found that the disk is below its reserve",
		file: "log/local/write/log-writer.ts",
		find: "if (this.#kept.isBelowReserve || this.#mustRotate()",
		replace: "if (this.#mustRotate()",
		tests: ["log/local/keep-up.test.ts"],
	},
	{
		name: "the log's syncs are measured in milliseconds",
		file: "log/local/write/log-writer.ts",
		find: "(elapsedMs() - beganAtMs) / 1000",
		replace: "elapsedMs() - beganAtMs",
		tests: ["log/local/sync-seconds.test.ts"],
	},
	{
		name: "a message counts as durable when it is handed over",
		file: "log/handover.ts",
		find: "|| this.#writer.acknowledged() < this.#timedPosition",
		replace: "",
		tests: HANDOVER,
	},
	{
		name: "the time of one message is used for another",
		file: "log/handover.ts",
		find: "if (this.#timedPosition !== null) return;",
		replace: "",
		tests: HANDOVER,
	},
];
