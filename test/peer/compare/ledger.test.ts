import { describe, expect, test } from "bun:test";
import type { PeerEvent } from "../../../src/peer/compare/event.ts";
import { Lags } from "../../../src/peer/compare/lags.ts";
import { Ledger, MISSING_KEPT_MAX } from "../../../src/peer/compare/ledger.ts";
import { Rng } from "../../../src/sim/rng.ts";

const START_MS = 5_000;
const GRACE_MS = 1_000;
const END_MS = 65_000;

function event(number: number, seq: number): PeerEvent {
	return { type: "commit", did: `did:plc:${number % 7}`, rev: String(number), time: "", key: `commit ${number}`, seq };
}

function ledgerOf(relays: number, eventsMax = 1_000_000): Ledger {
	return new Ledger({ relays, startMs: START_MS, graceMs: GRACE_MS, eventsMax });
}

describe("the ledger of a comparison", () => {
	test("agrees with what was sent, over generated histories of lags, losses, repeats and orders", () => {
		const rng = new Rng("ledger");
		for (let round = 0; round < 300; round++) {
			const relays = 2 + rng.int(3);
			const arrivals: { ms: number; at: number; number: number }[] = [];
			const expected = { matched: 0, lacking: 0, unjudged: 0 };
			const missing = Array.from({ length: relays }, (): string[] => []);
			const lags = Array.from({ length: relays }, (): number[] => []);
			const repeats = Array.from({ length: relays }, () => 0);
			for (let number = 0; number < 60; number++) {
				const madeMs = START_MS + rng.int(END_MS - START_MS);
				const times = Array.from({ length: relays }, () => (rng.int(6) === 0 ? null : madeMs + rng.int(900)));
				const seen = times.filter((ms) => ms !== null && ms <= END_MS);
				if (seen.length === 0) continue;
				const firstMs = Math.min(...seen.map((ms) => ms ?? END_MS));
				const isJudged = firstMs >= START_MS + GRACE_MS && firstMs <= END_MS - GRACE_MS;
				if (seen.length === relays) expected.matched++;
				else if (isJudged) expected.lacking++;
				else expected.unjudged++;
				for (const [at, ms] of times.entries()) {
					if (ms === null || ms > END_MS) {
						if (isJudged) missing[at]?.push(String(number));
						continue;
					}
					if (seen.length === relays) lags[at]?.push(ms - firstMs);
					arrivals.push({ ms, at, number });
					if (rng.int(10) > 0) continue;
					arrivals.push({ ms: ms + rng.int(END_MS - ms + 1), at, number });
					repeats[at] = (repeats[at] ?? 0) + 1;
				}
			}
			arrivals.sort((a, b) => a.ms - b.ms);
			const ledger = ledgerOf(relays);
			for (const [seq, { ms, at, number }] of arrivals.entries()) ledger.note(at, event(number, seq + 1), ms);
			const { relays: tallies, ...counts } = ledger.settle(END_MS);
			expect(counts).toEqual({ ...expected, limitReached: false });
			for (const [at, tally] of tallies.entries()) {
				expect(tally.missingEvents.map(({ rev }) => rev ?? "").sort()).toEqual(missing[at]?.sort() ?? []);
				expect(tally.missing).toBe(missing[at]?.length ?? 0);
				expect(tally.duplicates).toBe(repeats[at] ?? 0);
				expect(tally.orderFaults).toBe(0);
				const sorted = (lags[at] ?? []).sort((a, b) => a - b);
				expect(tally.lagMs.p50).toBe(sorted[Math.ceil(sorted.length / 2) - 1] ?? null);
				const own = arrivals.filter((arrival) => arrival.at === at);
				expect(tally.events).toBe(own.length);
				expect(tally.dids).toBe(new Set(own.map(({ number }) => number % 7)).size);
			}
		}
	});

	test("counts a seq that does not rise, of the relay that sent it", () => {
		const ledger = ledgerOf(2);
		for (const seq of [5, 6, 6, 3, 4]) ledger.note(1, event(seq, seq), START_MS);
		expect(ledger.settle(END_MS).relays.map(({ orderFaults }) => orderFaults)).toEqual([0, 2]);
	});

	test("forgets what all have had first, if the limit is reached, and says so", () => {
		const ledger = ledgerOf(2, 10);
		const ms = START_MS + GRACE_MS;
		for (let number = 0; number < 9; number++) ledger.note(0, event(number, number + 1), ms);
		for (let number = 100; number < 200; number++) {
			for (const at of [0, 1]) ledger.note(at, event(number, number), ms);
		}
		for (let number = 0; number < 9; number++) ledger.note(1, event(number, 1_000 + number), ms);
		expect(ledger.settle(END_MS)).toMatchObject({ matched: 109, lacking: 0, limitReached: true });
	});

	test("remembers no more than the limit, however much one relay lacks, and keeps some of it only", () => {
		const ledger = ledgerOf(2, 100);
		const ms = START_MS + GRACE_MS;
		for (let number = 0; number < 3_000; number++) ledger.note(0, event(number, number + 1), ms + number);
		const { lacking, unjudged, limitReached, relays } = ledger.settle(END_MS);
		expect(lacking + unjudged).toBe(3_000);
		expect(limitReached).toBe(true);
		expect(relays[1]?.missing).toBe(lacking);
		expect(relays[1]?.missingEvents.length).toBe(Math.min(lacking, MISSING_KEPT_MAX));
	});
});

test("lags of more than a minute count as one, and none below nothing", () => {
	const lags = new Lags();
	expect(lags.quantile(0.5)).toBeNull();
	for (const ms of [-5, 1.4, 100_000]) lags.add(ms);
	expect([0.01, 0.5, 1].map((share) => lags.quantile(share))).toEqual([0, 1, 60_000]);
});
