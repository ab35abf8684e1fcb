import type { Mutant } from "./table.ts";

const NEXT = ["account/next.test.ts"];
const STATUS = ["account/status.test.ts"];

/** Curated faults of an account's rules. The shard and the index share them, so a slip here is one of both. */
export const ACCOUNT_MUTANTS: readonly Mutant[] = [
	{
		name: "an identity that is the first of its account is forgotten over a crash",
		file: "account/next.ts",
		find: "!fact.isHome && state?.host !== at.host",
		replace: "(state === null || (!fact.isHome && state.host !== at.host))",
		tests: NEXT,
	},
	{
		name: "an identity from elsewhere moves an account",
		file: "account/next.ts",
		find: "!fact.isHome && state?.host !== at.host",
		replace: "state === null && !fact.isHome",
		tests: NEXT,
	},
	{
		name: "an account's last time is that of its last message",
		file: "account/next.ts",
		find: "Math.max(before.lastTimeMs, fact.timeMs)",
		replace: "fact.timeMs",
		tests: NEXT,
	},
	{
		name: "a deleted account keeps its repo",
		file: "account/next.ts",
		find: "isDeletion(fact) ? FORGOTTEN_REPO : null",
		replace: "null",
		tests: NEXT,
	},
	{
		name: "a deactivated account loses its repo",
		file: "account/next.ts",
		find: 'return !active && status === "deleted";',
		replace: "return !active && status !== null;",
		tests: NEXT,
	},
	{
		name: "a deleted account forgets its last rev",
		file: "account/next.ts",
		find: "const FORGOTTEN_REPO = {",
		replace: "const FORGOTTEN_REPO = { rev: null,",
		tests: NEXT,
	},
	{
		name: "an account takes its status along to another host",
		file: "account/next.ts",
		find: "lastTimeMs: 0, ...ACTIVE, statusSeq: seq };",
		replace: "lastTimeMs: 0, statusSeq: seq };",
		tests: NEXT,
	},
	{
		name: "times of the host that an account left count at its next one",
		file: "account/next.ts",
		find: "return { ...state, host, lastTimeMs: 0,",
		replace: "return { ...state, host,",
		tests: NEXT,
	},
	{
		name: "what an account said before it moved is still withheld",
		file: "account/next.ts",
		find: "...ACTIVE, statusSeq: seq };",
		replace: "...ACTIVE };",
		tests: NEXT,
	},
	{
		name: "a status is told of, but not since when",
		file: "account/next.ts",
		find: "upstreamStatus: status, statusSeq: at.seq ?? 0 };",
		replace: "upstreamStatus: status };",
		tests: NEXT,
	},
	{
		name: "what the operator took down passes",
		file: "account/status.ts",
		find: "return localStatus === null && upstreamActive;",
		replace: "return upstreamActive;",
		tests: STATUS,
	},
	{
		name: "the host's status goes before the operator's",
		file: "account/status.ts",
		find: "account.localStatus ?? account.upstreamStatus",
		replace: "account.upstreamStatus ?? account.localStatus",
		tests: STATUS,
	},
	{
		name: "what an account said before the operator took it down is replayed",
		file: "account/status.ts",
		find: "TAKEN_DOWN.has(localStatus) || ",
		replace: "",
		tests: STATUS,
	},
	{
		name: "an account that is back stays taken down",
		file: "account/status.ts",
		find: "(!upstreamActive && TAKEN_DOWN.has(upstreamStatus))",
		replace: "TAKEN_DOWN.has(upstreamStatus)",
		tests: STATUS,
	},
	{
		name: "what a deactivated account said is not replayed",
		file: "account/status.ts",
		find: '"takendown", "suspended", "deleted"]',
		replace: '"takendown", "suspended", "deleted", "deactivated"]',
		tests: STATUS,
	},
	{
		name: "inactive accounts are listed",
		file: "account/status.ts",
		find: "return account.commit !== null && isActive(account);",
		replace: "return account.commit !== null;",
		tests: STATUS,
	},
	{
		name: "accounts without a repo are listed",
		file: "account/status.ts",
		find: "return account.commit !== null && isActive(account);",
		replace: "return isActive(account);",
		tests: STATUS,
	},
];
