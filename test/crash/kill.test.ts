import { expect, test } from "bun:test";
import { ACTS } from "./misbehaviour.ts";
import { MOMENT_WEIGHTS } from "./moments.ts";
import { runRounds } from "./rounds.ts";

/** `make crash` runs more of them. */
const ROUNDS = 100;
const SEED = "kill -9";

test(
	`killed ${ROUNDS} times, nothing is missing, nothing comes twice, no seq is used twice`,
	async () => {
		const summary = await runRounds({ rounds: ROUNDS, seed: SEED });
		expect(summary.rounds).toBe(ROUNDS);
		expect(summary.delivered).toBe(summary.sent);
		// The kills interrupted work under way, and came at every kind of moment.
		expect(summary.killedInFlight).toBeGreaterThanOrEqual(summary.moments.burst);
		expect(
			Object.keys(MOMENT_WEIGHTS).filter((moment) => !(summary.moments[moment as keyof typeof MOMENT_WEIGHTS] > 0)),
		).toEqual([]);
		// Hosts misbehaved in every way, and the relay still owed them messages.
		expect(ACTS.filter((act) => summary.acts[act] === 0)).toEqual([]);
		expect(summary.owedToMisbehaving).toBeGreaterThan(0);
		// In sync mode `write` crashes leave seqs out. Without that, this test would not show that no seq comes back.
		expect(summary.seqsLeftOut).toBeGreaterThan(0);
	},
	ROUNDS * 60_000,
);
