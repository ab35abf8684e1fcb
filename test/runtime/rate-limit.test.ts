import { describe, expect, test } from "bun:test";
import { RateLimit } from "../../src/runtime/rate-limit.ts";
import { Rng } from "../../src/sim/rng.ts";

describe("a rate limit", () => {
	test("never lets a key do more than its burst and its rate, and says when it may again", () => {
		const rng = new Rng("rate limit");
		for (let round = 0; round < 200; round++) {
			let nowMs = rng.int(1_000);
			const [perS, burst] = [1 + rng.int(50), 1 + rng.int(20)];
			const limit = new RateLimit({ perS, burst, keysMax: 10, nowMs: () => nowMs });
			const takenAtMs: number[] = [];
			for (let step = 0; step < 200; step++) {
				const waitMs = limit.take("a");
				if (waitMs === 0) {
					takenAtMs.push(nowMs);
					nowMs += rng.int(3) * rng.int(200);
				} else {
					nowMs += waitMs - 1;
					expect(limit.waitMs("a")).toBe(1);
					nowMs += 1;
					expect(limit.waitMs("a")).toBe(0);
				}
			}
			for (let from = 0; from < takenAtMs.length; from++) {
				for (let to = from; to < takenAtMs.length; to++) {
					const spanS = ((takenAtMs[to] ?? 0) - (takenAtMs[from] ?? 0)) / 1000;
					expect(to - from + 1).toBeLessThanOrEqual(burst + spanS * perS + 1e-6);
				}
			}
		}
	});

	test("applies to each key by itself", () => {
		const limit = new RateLimit({ perS: 1, burst: 2, keysMax: 10, nowMs: () => 0 });
		expect([limit.take("a"), limit.take("a"), limit.take("a"), limit.take("b")]).toEqual([0, 0, 1000, 0]);
	});

	test("a charge without a question delays later ones", () => {
		let nowMs = 0;
		const limit = new RateLimit({ perS: 1, burst: 1, keysMax: 10, nowMs: () => nowMs });
		for (let at = 0; at < 3; at++) limit.charge("a");
		expect(limit.take("a")).toBe(3000);
		nowMs = 3000;
		expect(limit.take("a")).toBe(0);
	});

	test("remembers a limited number of keys, those used last", () => {
		const limit = new RateLimit({ perS: 1, burst: 1, keysMax: 3, nowMs: () => 0 });
		for (const key of ["a", "b", "c"]) expect(limit.take(key)).toBe(0);
		expect(limit.take("a")).toBe(1000);
		expect(limit.take("d")).toBe(0);
		expect([limit.waitMs("a"), limit.waitMs("b"), limit.waitMs("c"), limit.waitMs("d")]).toEqual([0, 1000, 1000, 1000]);
	});
});
