import type { Mutant } from "./table.ts";

const OPERATOR = ["ingest/did/operator.test.ts"];
const LOCAL_STATUS = ["account/local-status.test.ts"];
const AGREEMENT = ["account/agreement.test.ts"];
const CONTROL = ["log/record/control.test.ts"];
const STORE = ["index/sqlite/store.test.ts"];

/** Faults in what the operator sets, and in how it is kept. */
export const POLICY_MUTANTS: readonly Mutant[] = [
	{
		name: "what the operator set for an account that was not seen yet is lost",
		file: "account/next.ts",
		find: "return { ...(state ?? UNSEEN), localStatus: status, statusLsn: lsn };",
		replace: "return state && { ...state, localStatus: status, statusLsn: lsn };",
		tests: LOCAL_STATUS,
	},
	{
		name: "undoing a takedown makes an account active that its host has deleted",
		file: "account/next.ts",
		find: "return { ...(state ?? UNSEEN), localStatus: status, statusLsn: lsn };",
		replace: "return { ...(state ?? UNSEEN), ...ACTIVE, localStatus: status, statusLsn: lsn };",
		tests: LOCAL_STATUS,
	},
	{
		name: "restating the operator's status moves the lsn of the takedown",
		file: "account/next.ts",
		find: "if (status === (state?.localStatus ?? null)) return state;",
		replace: "if (status === null && state === null) return state;",
		tests: LOCAL_STATUS,
	},
	{
		name: "consumers are not told what the operator sets",
		file: "ingest/did/operator.ts",
		find: "if (changed !== null && !isSameStatus(account, changed)) {",
		replace: "if (changed !== null && false) {",
		tests: OPERATOR,
	},
	{
		name: "consumers are told the host's status of an account that the operator took down",
		file: "ingest/did/admit/account.ts",
		find: "did, time, ...effective });",
		replace: "did, time, active, ...(status === null ? null : { status }) });",
		tests: OPERATOR,
	},
	{
		name: "an admin's action on an account is not in the audit log if it changes nothing",
		file: "ingest/did/operator.ts",
		find: 'steps.push({ entry: controlEntry("adminAction", line), state });',
		replace: 'if (before !== status) steps.push({ entry: controlEntry("adminAction", line), state });',
		tests: OPERATOR,
	},
	{
		name: "an operator's change is answered before it is durable",
		file: "ingest/did/operator.ts",
		find: "while (handover.acknowledged() < position) await this.#rung();",
		replace: "",
		tests: OPERATOR,
	},
	{
		name: "the shard does not know what the operator set until the index does",
		file: "ingest/did/operator.ts",
		find: "if (state !== null) accounts.set(did, { ...state, position });",
		replace: "",
		tests: AGREEMENT,
	},
	{
		name: "an #account that waits for the ring tells the status from before the operator's change",
		file: "ingest/did/shard.ts",
		find: "return ownAccountMessage(did, account, following, rules.clock);",
		replace: "return ownAccountMessage(did, { ...account, localStatus: null }, following, rules.clock);",
		tests: AGREEMENT,
	},
	{
		name: "a policy that the operator took back stays",
		file: "log/record/policy-facts.ts",
		find: "value: value.length === 0 ? null :",
		replace: "value:",
		tests: CONTROL,
	},
	{
		name: "the index does not see that a policy was taken back",
		file: "log/record/control.ts",
		find: "isState && !hasRemovals && !hasValue(facts)",
		replace: "isState && !hasValue(facts)",
		tests: CONTROL,
	},
	{
		name: "what only the database had is not told to the log",
		file: "index/sqlite/store.ts",
		find: "forgetTold.run();",
		replace: "",
		tests: STORE,
	},
	{
		name: "the migration of an index of version 7 loses the operator's statuses at the next loss",
		file: "index/sqlite/schema.ts",
		find: "json_object('status', local_status), 0 FROM",
		replace: "json_object('status', local_status), 1 FROM",
		tests: ["index/sqlite/schema.test.ts"],
	},
	{
		name: "the audit log grows without end",
		file: "index/sqlite/store.ts",
		find: "if (changes.actions.length > 0) this.#trimActions.run(ACTIONS_MAX);",
		replace: "",
		tests: STORE,
	},
	{
		name: "of many untold policies only the first are told",
		file: "policy/untold.ts",
		find: 'for (; page.length > 0; page = await reader.untoldPolicies(kind, page.at(-1)?.key ?? "", PAGE)) {',
		replace: "for (; page.length > 0; page = []) {",
		tests: ["policy/untold.test.ts"],
	},
	{
		name: "a record of the control thread is called durable when it is in the ring",
		file: "log/appender.ts",
		find: "rest.length > 0 || position > acknowledged",
		replace: "rest.length > 0",
		tests: ["log/appender.test.ts"],
	},
];
