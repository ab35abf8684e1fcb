import type { Mutant } from "./table.ts";

/** Faults in how identities are looked up: effects of an outage or of a stranger on others. */
export const IDENTITY_MUTANTS: readonly Mutant[] = [
	{
		name: "lookups are not taken in turns: the host with the lowest number always comes first",
		file: "identity/turns.ts",
		find: "for (const [hostId, host] of this.#rotation) {",
		replace: "for (const [hostId, host] of [...this.#rotation].sort()) {",
		tests: ["identity/cache.test.ts", "identity/turns.test.ts"],
	},
	{
		name: "a host that names made-up DIDs has no quota",
		file: "identity/cache.ts",
		find: "turns.charge(hostId, isOwn ? ownCharge : 1);",
		replace: "turns.charge(hostId, isOwn ? ownCharge : 0);",
		tests: ["identity/cache.test.ts"],
	},
	{
		name: "no outdated identity is used while the directory fails",
		file: "identity/cache.ts",
		find: "return known !== null && this.#clock() - known.askedAtMs < STALE_MS_MAX ? known : null;",
		replace: "return null;",
		tests: ["identity/cache.test.ts"],
	},
	{
		name: "an outdated identity is used for ever",
		file: "identity/cache.ts",
		find: "return known !== null && this.#clock() - known.askedAtMs < STALE_MS_MAX ? known : null;",
		replace: "return known;",
		tests: ["identity/cache.test.ts"],
	},
	{
		name: "a message that an outdated identity can't judge is judged by it during an outage",
		file: "identity/cache.ts",
		find: "return this.#resolveSince(did, asker, sinceMs, REFRESH_INTERVAL_MS, null);",
		replace: "return this.#resolveSince(did, asker, sinceMs, REFRESH_INTERVAL_MS, await this.#known(did));",
		tests: ["identity/cache.test.ts", "ingest/did/shard.test.ts"],
	},
	{
		name: "an unknown did:web whose host fails is waited for for ever",
		file: "identity/cache.ts",
		find: "return waitMs > WEB_WAIT_MS_MAX || ",
		replace: "return ",
		tests: ["identity/cache.test.ts"],
	},
	{
		name: "Retry-After is ignored",
		file: "identity/outage.ts",
		find: "if (retryAfterMs !== null) {",
		replace: "if (retryAfterMs === -1) {",
		tests: ["identity/outage.test.ts"],
	},
	{
		name: "an answer from before a pause ends it",
		file: "identity/outage.ts",
		find: "if (this.waitMs(nowMs) > 0) return false;\n\t\tconst ends",
		replace: "const ends",
		tests: ["identity/outage.test.ts"],
	},
	{
		name: "every #identity of an account's own host causes a request",
		file: "identity/cache.ts",
		find: "this.#resolveSince(did, asker, sinceMs, HOME_REFRESH_INTERVAL_MS, known)",
		replace: "this.#resolveSince(did, asker, sinceMs, 0, known)",
		tests: ["identity/cache.test.ts"],
	},
	{
		name: "absent accounts are remembered without a limit",
		file: "ingest/did/accounts.ts",
		find: "ABSENCES_SHARE && oldest !== undefined",
		replace: "1_000_000 && oldest !== undefined",
		tests: ["ingest/did/accounts.test.ts"],
	},
	{
		name: "when the worker's budget is used up, any host that sends is paused, however little it holds",
		file: "ingest/host/budget.ts",
		find: "this.#held > this.#worker.share) this.#pause();",
		replace: "this.#worker.share !== Number.POSITIVE_INFINITY) this.#pause();",
		tests: ["ingest/host/budget.test.ts"],
	},
];
