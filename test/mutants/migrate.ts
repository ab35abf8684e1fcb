import type { Mutant } from "./table.ts";

const MIGRATE = ["migrate/migrate.test.ts"];
const RELAY = ["relay/migrate.test.ts"];

/** Faults in the command that takes over indigo's state. Each would lose something of it, or use a seq twice. */
export const MIGRATE_MUTANTS: readonly Mutant[] = [
	{
		name: "hosts of another relay are followed from their live end",
		file: "migrate/indigo/meaning.ts",
		find: "return seq === null || seq < 1 ? null : seq;",
		replace: "return seq === null || seq < 1 ? null : null;",
		tests: RELAY,
	},
	{
		name: "seqs go on at the start of indigo's last file",
		file: "migrate/migrate.ts",
		find: "given ?? known + SEQS_LEFT_OUT;",
		replace: "given ?? known;",
		tests: MIGRATE,
	},
	{
		name: "a takedown is lost if the account's host is not taken over",
		file: "migrate/indigo/meaning.ts",
		find: "return { did, localStatus, account: null };",
		replace: "return null;",
		tests: MIGRATE,
	},
	{
		name: "takedowns are rows of the index only",
		file: "migrate/migrate.ts",
		find: `this.#log.append(policyEntry("localStatus", did, localStatus));`,
		replace: "",
		tests: MIGRATE,
	},
	{
		name: "only the first page of indigo's rows is taken over",
		file: "migrate/migrate.ts",
		find: "page = await this.#source.page(table, last.key);",
		replace: "page = [];",
		tests: MIGRATE,
	},
	{
		name: "accounts that wait for room at indigo lose their order",
		file: "migrate/migrate.ts",
		find: "waitingSinceUs: this.#meaning.nowMs * 1000 + this.#counts.waiting,",
		replace: "waitingSinceUs: this.#meaning.nowMs * 1000,",
		tests: MIGRATE,
	},
	{
		name: "deleted accounts of indigo take places at their hosts",
		file: "migrate/migrate.ts",
		find: "host !== undefined && !isDeletedAtHost(account)",
		replace: "host !== undefined",
		tests: MIGRATE,
	},
	{
		name: "the index begins after the records of what was taken over",
		file: "migrate/migrate.ts",
		find: "checkpoint: seqAfter,",
		replace: "checkpoint: seqAfter + 3,",
		tests: MIGRATE,
	},
	{
		name: "indigo's state is written over a log",
		file: "log/local/staged.ts",
		find: "if (found.length > 0)",
		replace: "if (found.length < 0)",
		tests: MIGRATE,
	},
	{
		name: "a migration that fails ends with the code of a misuse",
		file: "cli/program.ts",
		find: "return error instanceof Misuse ? EXIT.misused : EXIT.failed;",
		replace: "return EXIT.misused;",
		tests: RELAY,
	},
];
