import { parseArgs } from "node:util";
import { storeNamed } from "../sim/store-under-test.ts";
import { runRounds } from "./rounds.ts";

/** Rounds between two lines of progress. */
const PROGRESS_ROUNDS = 10;

const { values } = parseArgs({
	options: {
		rounds: { type: "string", default: "100" },
		seed: { type: "string", default: "kill -9" },
		store: { type: "string", default: "sqlite" },
		rig: { type: "string", default: "0" },
	},
});
const rounds = Number(values.rounds);
if (!Number.isSafeInteger(rounds) || rounds < 1) throw new RangeError("--rounds takes a number from 1");

// The relays are in process groups of their own. A rig ends its relay when this process exits, whenever the process can still act.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(1));

const startedAtMs = performance.now();
const seconds = (): string => `${((performance.now() - startedAtMs) / 1000).toFixed(0)} s`;
const summary = await runRounds({
	rounds,
	seed: values.seed,
	store: storeNamed(values.store),
	firstRig: Number(values.rig),
	onRound: (soFar) => {
		if (soFar.rounds % PROGRESS_ROUNDS === 0) console.log(`${soFar.rounds} of ${rounds} rounds, ${seconds()}`);
	},
});
const listOf = (counts: Record<string, number>): string =>
	Object.entries(counts)
		.map(([name, count]) => `${name} ${count}`)
		.join(", ");
console.log(
	`${summary.rounds} rounds on ${values.store} in ${seconds()} with seed ${JSON.stringify(values.seed)}: ${summary.sent} messages sent, ` +
		`${summary.delivered} delivered, ${summary.killedInFlight} rounds killed with messages in flight, ` +
		`${summary.seqsLeftOut} seqs left out. Killed at: ${listOf(summary.moments)}. ` +
		`Beside that, hosts misbehaved: ${listOf(summary.acts)}; ${summary.owedToMisbehaving} of their messages were owed. Nothing lost, nothing twice, no seq used twice.`,
);
