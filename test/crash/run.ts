import { parseArgs } from "node:util";
import { runRounds } from "./rounds.ts";

/** A line of progress is due after so many rounds. */
const PROGRESS_ROUNDS = 10;

const { values } = parseArgs({
	options: { rounds: { type: "string", default: "100" }, seed: { type: "string", default: "kill -9" } },
});
const rounds = Number(values.rounds);
if (!Number.isSafeInteger(rounds) || rounds < 1) throw new RangeError("--rounds takes a number from 1");

const startedAtMs = performance.now();
const seconds = (): string => `${((performance.now() - startedAtMs) / 1000).toFixed(0)} s`;
const summary = await runRounds({
	rounds,
	seed: values.seed,
	onRound: (soFar) => {
		if (soFar.rounds % PROGRESS_ROUNDS === 0) console.log(`${soFar.rounds} of ${rounds} rounds, ${seconds()}`);
	},
});
const moments = Object.entries(summary.moments).map(([moment, count]) => `${moment} ${count}`);
console.log(
	`${summary.rounds} rounds in ${seconds()} with seed ${JSON.stringify(values.seed)}: ${summary.sent} messages sent, ` +
		`${summary.delivered} delivered, ${summary.killedInFlight} rounds killed with messages in flight, ` +
		`${summary.seqsLeftOut} seqs left out. Killed at: ${moments.join(", ")}. Nothing lost, nothing twice, no seq used twice.`,
);
