import { expect, test } from "bun:test";
import { Rng } from "../../src/sim/rng.ts";
import { Bench, History } from "./history.ts";

/** `ACCOUNT_HISTORIES=100000 bun test test/account` tests more of them. */
const HISTORIES = Number(process.env["ACCOUNT_HISTORIES"] ?? 20_000);
const STEPS = 8;

test(`over ${HISTORIES} histories, what the shard makes of an account is what the index makes of it`, async () => {
	const bench = new Bench();
	for (let at = 0; at < HISTORIES; at++) {
		const seed = `account ${at}`;
		try {
			await new History(bench, new Rng(seed)).run(STEPS);
		} catch (error) {
			throw new Error(`history "${seed}"`, { cause: error });
		}
	}
	for (const [what, times] of Object.entries(bench.happened))
		expect([what, times > HISTORIES / 100]).toEqual([what, true]);
}, 300_000);
