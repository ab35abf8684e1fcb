import type { Mutant } from "./table.ts";

const STATE = ["hosts/state.test.ts"];

/** Faults of the machine that says when a host is dialled and what its status is. */
export const HOST_STATE_MUTANTS: readonly Mutant[] = [
	{
		name: "a host that is down is given up after sixteen attempts",
		file: "hosts/state.ts",
		find: 'if (retry === "never") return into(failed, "barred");',
		replace: 'if (retry === "never" || failures > 16) return into(failed, "barred");',
		tests: STATE,
	},
	{
		name: "a host that accepts and drops is dialled again and again without a growing delay",
		file: "hosts/state.ts",
		find: "const hasLasted = heldMs >= LASTING_MS",
		replace: "const hasLasted = wasConnected || heldMs >= LASTING_MS",
		tests: STATE,
	},
	{
		name: "a host that is quiet is taken for one that fails",
		file: "hosts/state.ts",
		find: "heldMs >= LASTING_MS || (progress",
		replace: "(progress",
		tests: STATE,
	},
	{
		name: "delays have no jitter",
		file: "hosts/state.ts",
		find: "wholeMs * (1 - chance / 2)",
		replace: "wholeMs * (1 - (chance * 0) / 2)",
		tests: STATE,
	},
	{
		name: "delays grow without end",
		file: "hosts/state.ts",
		find: "Math.min(DELAY_MS_MAX, FIRST_DELAY_MS * 2 ** Math.max(0, failures - 1))",
		replace: "FIRST_DELAY_MS * 2 ** Math.max(0, failures - 1)",
		tests: STATE,
	},
	{
		name: "a restart dials every host that is down",
		file: "hosts/state.ts",
		find: "nextAttemptMs === null || nextAttemptMs <= nowMs",
		replace: "nextAttemptMs === null || nextAttemptMs > 0",
		tests: STATE,
	},
	{
		name: "a planned attempt of another year is waited for",
		file: "hosts/state.ts",
		find: "Math.min(nextAttemptMs, nowMs + DELAY_MS_MAX)",
		replace: "nextAttemptMs",
		tests: STATE,
	},
	{
		name: "strangers can have a host dialled as often as they ask",
		file: "hosts/state.ts",
		find: "nowMs - askedAtMs < ASKED_INTERVAL_MS",
		replace: "nowMs - askedAtMs < 0",
		tests: STATE,
	},
	{
		name: "an error of long ago makes a host offline after a restart",
		file: "hosts/state.ts",
		find: "lastError.atMs < (connectedAtMs ?? 0)",
		replace: "lastError.atMs < 0",
		tests: STATE,
	},
	{
		name: "a banned host keeps its connection",
		file: "hosts/state.ts",
		find: 'return phase === "barred" || phase === "stopped";',
		replace: 'return phase === "stopped";',
		tests: STATE,
	},
	{
		name: "a turn to dial is never given back",
		file: "hosts/state.ts",
		find: 'if (before.phase === "dialling") effects.push',
		replace: 'if (before.phase === "dialling" && after.phase === "connected") effects.push',
		tests: STATE,
	},
	{
		name: "a change of status is not recorded",
		file: "hosts/state.ts",
		find: "if (statusOf(before) !== statusOf(after)) return true;",
		replace: "",
		tests: STATE,
	},
	{
		name: "the network's return dials hosts that were down before",
		file: "hosts/state.ts",
		find: "disconnectedAtMs === null || disconnectedAtMs >= sinceMs",
		replace: "disconnectedAtMs === null || sinceMs >= 0",
		tests: STATE,
	},
];
