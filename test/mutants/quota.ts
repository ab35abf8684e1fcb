import type { Mutant } from "./table.ts";

const AGREEMENT = ["account/agreement.test.ts"];
const STATUS = ["account/status.test.ts"];
const QUOTA = ["policy/quota.test.ts"];
const LIMIT = ["policy/account-limit.test.ts"];
const GROWTH = ["policy/growth.test.ts"];
const STORE = ["index/sqlite/store.test.ts"];

/** Faults in the account limits of hosts. */
export const QUOTA_MUTANTS: readonly Mutant[] = [
	{
		name: "commits of accounts that wait for a place pass",
		file: "account/status.ts",
		find: "upstreamActive && waitingSinceUs === null;",
		replace: "upstreamActive;",
		tests: STATUS,
	},
	{
		name: "a wait hides from consumers that an account is deleted or taken down at its host",
		file: "account/status.ts",
		find: "account.waitingSinceUs !== null && account.upstreamActive;",
		replace: "account.waitingSinceUs !== null;",
		tests: STATUS,
	},
	{
		name: "an account that moves goes on waiting for a place at its old host",
		file: "account/next.ts",
		find: "...ACTIVE, waitingSinceUs: null, statusLsn",
		replace: "...ACTIVE, statusLsn",
		tests: ["account/next.test.ts"],
	},
	{
		name: "an account has a place although it is told deleted and active at once",
		file: "account/status.ts",
		find: "return !upstreamActive && upstreamStatus === DELETED;",
		replace: "return upstreamStatus === DELETED;",
		tests: STATUS,
	},
	{
		name: "a deleted account goes on waiting",
		file: "account/next.ts",
		find: "if (isDeletion(fact) || fact.waits === false) return null;",
		replace: "if (fact.waits === false) return null;",
		tests: ["account/next.test.ts"],
	},
	{
		name: "a deleted account keeps its place",
		file: "ingest/did/places.ts",
		find: "if (left !== null && left !== taken) this.#change(left, -1, 0);",
		replace: "if (left !== null && taken !== null && left !== taken) this.#change(left, -1, 0);",
		tests: AGREEMENT,
	},
	{
		name: "a place that is granted for a message that is then rejected is lost",
		file: "ingest/did/shard.ts",
		find: 'if (arrival.place === "granted") this.#options.places.giveBack(arrival.sender.hostId);',
		replace: "",
		tests: AGREEMENT,
	},
	{
		name: "consumers are not told that an account is active which was not where it was before",
		file: "ingest/did/shard.ts",
		find: 'if (isTold || admitted.fact.type === "status") return admitted;',
		replace: "if (isTold || !isTold) return admitted;",
		tests: ["ingest/did/migration.test.ts"],
	},
	{
		name: "an account that gets a place after a wait is not counted",
		file: "ingest/did/operator.ts",
		find: "places.note(before, state, false);",
		replace: "places.note(before, state, true);",
		tests: AGREEMENT,
	},
	{
		name: "new accounts pass those that wait",
		file: "policy/quota.ts",
		find: "places.taken + Math.max(places.waiting, places.reserved) >= limit",
		replace: "places.taken + places.reserved >= limit",
		tests: QUOTA,
	},
	{
		name: "a host gets one account more than its limit",
		file: "policy/quota.ts",
		find: "Math.max(places.waiting, places.reserved) >= limit",
		replace: "Math.max(places.waiting, places.reserved) > limit",
		tests: QUOTA,
	},
	{
		name: "accounts are admitted beyond the limit while others are being admitted",
		file: "policy/quota.ts",
		find: "Math.min(ADMITTED_AT_ONCE, limit - taken - reserved)",
		replace: "Math.min(ADMITTED_AT_ONCE, limit - reserved)",
		tests: QUOTA,
	},
	{
		name: "after a start the accounts that wait count as if they had places",
		file: "policy/quota.ts",
		find: "quota.#change(places, accountCount - waits, waits);",
		replace: "quota.#change(places, accountCount, waits);",
		tests: QUOTA,
	},
	{
		name: "a recount overwrites what has changed since",
		file: "policy/quota.ts",
		find: "this.#change(places, recount.counted - recount.before, 0);",
		replace: "this.#change(places, recount.counted - places.taken, 0);",
		tests: QUOTA,
	},
	{
		name: "a recount leaves the row of the host as it is",
		file: "index/fold.ts",
		find: "host.accountCount = counted;",
		replace: "",
		tests: STORE,
	},
	{
		name: "a limit that an admin has set grows too",
		file: "policy/account-limit.ts",
		find: "own ?? (isTrusted ? null : grownLimit(general, goodDays, growth))",
		replace: "isTrusted && own === null ? null : grownLimit(own ?? general, goodDays, growth)",
		tests: LIMIT,
	},
	{
		name: "growth of an account limit never ends",
		file: "policy/growth.ts",
		find: "Math.min(growth.max, general + growth.perDay * goodDays)",
		replace: "general + growth.perDay * goodDays",
		tests: LIMIT,
	},
	{
		name: "a general limit above the end of growth falls to it",
		file: "policy/growth.ts",
		find: "return Math.max(general, Math.min(growth.max, general + growth.perDay * goodDays));",
		replace: "return Math.min(growth.max, general + growth.perDay * goodDays);",
		tests: LIMIT,
	},
	{
		name: "any number of messages may fail on a good day",
		file: "policy/growth.ts",
		find: "(failed <= FAILED_FREE || failed * MESSAGES_PER_FAILED <= messages)",
		replace: "failed < messages",
		tests: GROWTH,
	},
	{
		name: "a host at its account limit is blamed for what its waiting accounts send",
		file: "policy/growth.ts",
		find: '"account-throttled",\n',
		replace: "\n",
		tests: GROWTH,
	},
	{
		name: "a day counts each time that the relay starts anew on it",
		file: "hosts/state.ts",
		find: "day === state.lastGoodDay ? state :",
		replace: "day < 0 ? state :",
		tests: ["hosts/state.test.ts"],
	},
	{
		name: "a day of a host that sends nothing any more never ends",
		file: "hosts/conduct-book.ts",
		find: "if (today.day !== dayOf(hostId, now)) this.#end(hostId, today);",
		replace: "void now;",
		tests: ["hosts/conduct-book.test.ts"],
	},
	{
		name: "what came on a day counts on the next one too",
		file: "hosts/conduct-book.ts",
		find: "if (known?.day === day) return known;",
		replace: "if (known !== undefined) return known;",
		tests: ["hosts/conduct-book.test.ts"],
	},
	{
		name: "the worker of a host whose account limit has grown is not told its new limits of messages",
		file: "hosts/manager.ts",
		find: 'host.driver.tell({ type: "goodDay", day });\n\t\tthis.#applyLimits(host);',
		replace: 'host.driver.tell({ type: "goodDay", day });',
		tests: ["hosts/manager.test.ts"],
	},
];
