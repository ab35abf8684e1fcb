import type { Mutant } from "./table.ts";

const EXPLAIN = ["why/explain.test.ts"];

/** Faults in what the relay says of why messages do not pass. */
export const WHY_MUTANTS: readonly Mutant[] = [
	{
		name: "the last gate that holds is named, not the first",
		file: "why/explain.ts",
		find: 'if (gate.state === "hold") heldBy ??= name;',
		replace: 'if (gate.state === "hold") heldBy = name;',
		tests: EXPLAIN,
	},
	{
		name: "gates stand in another order than messages pass them",
		file: "why/answers.ts",
		find: "export const GATE_NAMES = Object.keys(WHY_ANSWERS) as GateName[];",
		replace: "export const GATE_NAMES = (Object.keys(WHY_ANSWERS) as GateName[]).sort();",
		tests: EXPLAIN,
	},
	{
		name: "a gate after the one that holds is judged too",
		file: "why/explain.ts",
		find: '{ ...gate, state: "not-reached", action: null }',
		replace: "gate",
		tests: EXPLAIN,
	},
	{
		name: "what can't be said counts as passed",
		file: "why/explain.ts",
		find: 'gates.some(({ state }) => state === "unknown") ? "unknown" : "passes"',
		replace: '"passes"',
		tests: EXPLAIN,
	},
	{
		name: "an account counts as unseen while the index is away",
		file: "why/explain.ts",
		find: 'if ("untold" in facts.account) return unknown(facts.account.untold);\n\t\t\tif',
		replace: "if",
		tests: EXPLAIN,
	},
	{
		name: "whoever sends messages of an account holds it",
		file: "why/explain.ts",
		find: "if (other === undefined || accountHost === pdsHost)",
		replace: "if (other === undefined)",
		tests: EXPLAIN,
	},
	{
		name: "a rejected message holds an account for ever",
		file: "why/explain.ts",
		find: 'rejection.passedSince ? "accepted-since" : "rejected"',
		replace: '"rejected"',
		tests: EXPLAIN,
	},
	{
		name: "a message of another host that was rejected holds the account",
		file: "why/explain.ts",
		find: "(last) => last.hostname === hostname && !isOfOtherGate(last.reason)",
		replace: "(last) => !isOfOtherGate(last.reason)",
		tests: EXPLAIN,
	},
];
