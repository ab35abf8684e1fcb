import { expect, test } from "bun:test";
import { ACTS } from "./misbehaviour.ts";
import { MOMENT_WEIGHTS } from "./moments.ts";
import { runRounds } from "./rounds.ts";

/** `make crash` runs as many as one likes. */
const ROUNDS = 100;
const SEED = "kill -9";

test(
	`killed ${ROUNDS} times, nothing is missing, nothing comes twice, no seq is used twice`,
	async () => {
		const summary = await runRounds({ rounds: ROUNDS, seed: SEED });
		expect(summary.rounds).toBe(ROUNDS);
		expect(summary.delivered).toBe(summary.sent);
		// The kills did fall into work under way, and at every kind of moment.
		expect(summary.killedInFlight).toBeGreaterThanOrEqual(summary.moments.burst);
		expect(
			Object.keys(MOMENT_WEIGHTS).filter((moment) => !(summary.moments[moment as keyof typeof MOMENT_WEIGHTS] > 0)),
		).toEqual([]);
		// Hosts did misbehave in every way, and were owed messages all the same.
		expect(ACTS.filter((act) => summary.acts[act] === 0)).toEqual([]);
		expect(summary.owedToMisbehaving).toBeGreaterThan(0);
		// In sync mode `write` crashes do leave seqs out: without them, nothing here would have shown that none comes back.
		expect(summary.seqsLeftOut).toBeGreaterThan(0);
	},
	ROUNDS * 60_000,
);
