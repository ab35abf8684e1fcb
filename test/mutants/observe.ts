import type { Mutant } from "./table.ts";

/** Faults in what the relay says about itself. */
export const OBSERVE_MUTANTS: readonly Mutant[] = [
	{
		name: "a replay counts as a slow delivery",
		file: "fanout/pump.ts",
		find: "if (isLive && lsn !== null",
		replace: "if (lsn !== null",
		tests: ["fanout/deliveries.test.ts"],
	},
	{
		name: "a slot of the messages' times that was given to another message is taken for this one's",
		file: "log/message-times.ts",
		find: "if (numbers[at + LSN] !== lsn) return 0;\n\t\tconst timeMs = numbers[at + number] ?? 0;\n\t\t// The slot may have been given to another message meanwhile.\n\t\treturn numbers[at + LSN] === lsn ? timeMs : 0;",
		replace: "return numbers[at + number] ?? 0;",
		tests: ["log/message-times.test.ts"],
	},
	{
		name: "a trace ends before all fan-out threads have delivered its message",
		file: "tracing/assembly.ts",
		find: "delivered.length >= this.#fanoutThreads",
		replace: "delivered.length > 0",
		tests: ["tracing/assembly.test.ts"],
	},
	{
		name: "a verification of another message is taken for that of one whose wait has failed",
		file: "ingest/did/shard-tracer.ts",
		find: "trace.attemptMs = Number.POSITIVE_INFINITY;",
		replace: "trace.attemptMs += 0;",
		tests: ["ingest/did/shard.test.ts"],
	},
	{
		name: "a consumer that gets a traced message later is noted too",
		file: "fanout/deliveries.ts",
		find: "Math.max(afterLsn, this.#tracedLsn, lastLsn - MESSAGE_TIMES_MAX)",
		replace: "Math.max(afterLsn, lastLsn - MESSAGE_TIMES_MAX)",
		tests: ["fanout/deliveries.test.ts"],
	},
];
