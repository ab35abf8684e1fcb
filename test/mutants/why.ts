import type { Mutant } from "./table.ts";

const EXPLAIN = ["why/explain.test.ts"];
const INQUIRY = ["why/inquiry.test.ts"];
const HANDLE = ["why/handle.test.ts"];
const REJECTIONS = ["ingest/last-rejections.test.ts"];
const FAILURES = ["ingest/host-failures.test.ts"];
const VIEW = ["relay/why-view.test.ts"];
const HTTP = ["http/why.test.ts"];
const COMMAND = ["cli/why.test.ts"];

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
	{
		name: "a host that sends rubbish pushes out what others sent",
		file: "ingest/last-rejections.ts",
		find: "else if (entries.size >= this.#limits.perHostMax) this.#forgetOldest(hostId, entries);",
		replace: "",
		tests: REJECTIONS,
	},
	{
		name: "rejections are remembered without a limit",
		file: "ingest/last-rejections.ts",
		find: "else if (this.#size >= this.#limits.entriesMax) this.#forgetAny();",
		replace: "",
		tests: REJECTIONS,
	},
	{
		name: "a message of any kind shows that commits pass again",
		file: "ingest/last-rejections.ts",
		find: "entry !== undefined && isSameKind(entry.type, type)",
		replace: "entry !== undefined",
		tests: REJECTIONS,
	},
	{
		name: "messages that pass are not noted",
		file: "ingest/did/shard.ts",
		find: "this.#options.lastRejections.passed(sender.hostId, message.did, message.type);",
		replace: "",
		tests: ["ingest/why.test.ts"],
	},
	{
		name: "the example of a failure is the first one, not the last",
		file: "ingest/host-failures.ts",
		find: "entry.example = {",
		replace: "entry.example ??= {",
		tests: FAILURES,
	},
	{
		name: "examples of failures are remembered without a limit",
		file: "ingest/host-failures.ts",
		find: "if (this.#withExample.size > this.#examplesMax) this.#forgetOldest();",
		replace: "",
		tests: FAILURES,
	},
	{
		name: "what several workers have counted of a host is that of the last one",
		file: "relay/failures.ts",
		find: "other === undefined ? one : mergedPair(one, other)",
		replace: "one",
		tests: FAILURES,
	},
	{
		name: "a message that waits for room in the ring is counted as passed leniently each time that it is tried",
		file: "ingest/did/shard.ts",
		find: "const position = this.#push(arrival, admitted, times);",
		replace:
			"if (arrival.lenientReason !== null) this.#noteLenient(arrival, arrival.lenientReason);\n\t\tconst position = this.#push(arrival, admitted, times);",
		tests: ["ingest/did/shard.test.ts"],
	},
	{
		name: "what the index has counts for newer than what a worker has",
		file: "why/inquiry.ts",
		find: "account: worker?.account ? { told: worker.account } : account,",
		replace: "account,",
		tests: INQUIRY,
	},
	{
		name: "an index that is away fails the whole answer",
		file: "why/inquiry.ts",
		find: "if (reason === null) throw error;",
		replace: "throw error;",
		tests: INQUIRY,
	},
	{
		name: "the account's old host counts, not the one that its DID document names",
		file: "relay/why.ts",
		find: "known?.identity?.pdsHost ?? hostname ?? accountHost",
		replace: "accountHost ?? known?.identity?.pdsHost ?? hostname",
		tests: VIEW,
	},
	{
		name: "one client may have any number of handles looked up",
		file: "why/handle.ts",
		find: "this.#ofClient.charge(client);",
		replace: "",
		tests: HANDLE,
	},
	{
		name: "a handle is looked up each time that somebody asks",
		file: "why/handle.ts",
		find: "kept !== undefined && kept.untilMs > this.#timing.nowMs()",
		replace: "kept === undefined && 0 > this.#timing.nowMs()",
		tests: HANDLE,
	},
	{
		name: "a question costs no more than a read",
		file: "http/reads.ts",
		find: "rateLimit.charge(client);",
		replace: "void client;",
		tests: HTTP,
	},
	{
		name: "what strangers wrote goes to the terminal as it is",
		file: "runtime/report-text.ts",
		find: 'text.replace(UNSAFE, "\\uFFFD")',
		replace: "text",
		tests: COMMAND,
	},
	{
		name: "messages that wait for the log seem to wait for a lookup",
		file: "why/explain.ts",
		find: 'const mayBeOther = view.told.logStall !== null || "untold" in account;',
		replace: "const mayBeOther = false;",
		tests: EXPLAIN,
	},
	{
		name: "messages that wait for a lookup seem to pass",
		file: "why/explain.ts",
		find: "if (signingKey !== null && isStuck)",
		replace: "if (signingKey === null && isStuck)",
		tests: EXPLAIN,
	},
	{
		name: "strangers are told of addresses that only the relay's resolver gives",
		file: "hosts/host-view.ts",
		find: "text: told ?? text.replace",
		replace: "text: text.replace",
		tests: ["hosts/host-view.test.ts"],
	},
];
