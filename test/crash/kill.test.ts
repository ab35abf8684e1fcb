import { expect, test } from "bun:test";
import { describeWithPostgres } from "../sim/postgres-programs.ts";
import { ACTS } from "./misbehaviour.ts";
import { MOMENT_NAMES, MOMENT_WEIGHTS } from "./moments.ts";
import { runRounds } from "./rounds.ts";

/** `make crash` runs more of them. */
const ROUNDS = 100;
const POSTGRES_ROUNDS = 25;
const SEED = "kill -9";
const ROUND_MS_MAX = 60_000;

test(
	`killed ${ROUNDS} times, nothing is missing, nothing comes twice, no seq is used twice`,
	async () => {
		const summary = await runRounds({ rounds: ROUNDS, seed: SEED, store: "sqlite" });
		expect(summary.rounds).toBe(ROUNDS);
		expect(summary.delivered).toBe(summary.sent);
		// The kills interrupted work under way, and came at every kind of moment.
		expect(summary.killedInFlight).toBeGreaterThanOrEqual(summary.moments.burst);
		const { sqlite: weights } = MOMENT_WEIGHTS;
		expect(MOMENT_NAMES.filter((moment) => weights[moment] > 0 && summary.moments[moment] === 0)).toEqual([]);
		// Hosts misbehaved in every way, and the relay still owed them messages.
		expect(ACTS.filter((act) => summary.acts[act] === 0)).toEqual([]);
		expect(summary.owedToMisbehaving).toBeGreaterThan(0);
		// In sync mode `write` crashes leave seqs out. Without that, this test would not show that no seq comes back.
		expect(summary.seqsLeftOut).toBeGreaterThan(0);
	},
	ROUNDS * ROUND_MS_MAX,
);

describeWithPostgres("with the index on PostgreSQL", () => {
	test(
		`killed ${POSTGRES_ROUNDS} times, and the database too, nothing is missing or comes twice`,
		async () => {
			const summary = await runRounds({ rounds: POSTGRES_ROUNDS, seed: SEED, store: "postgres" });
			expect(summary.rounds).toBe(POSTGRES_ROUNDS);
			expect(summary.delivered).toBe(summary.sent);
			expect(summary.moments.outage).toBeGreaterThan(0);
		},
		POSTGRES_ROUNDS * ROUND_MS_MAX,
	);
});
