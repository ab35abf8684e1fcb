import { expect, test } from "bun:test";
import { Rng } from "../../src/sim/rng.ts";
import { Sampler } from "../../src/tracing/sampler.ts";

test("any two samplers of the same share decide alike, and a greater share has all messages of a lesser one", () => {
	const rng = new Rng("samplers");
	for (let round = 0; round < 50; round++) {
		const ratio = rng.int(1_000_001) / 1_000_000;
		const [one, other, greater] = [new Sampler(ratio), new Sampler(ratio), new Sampler(Math.min(1, 1.5 * ratio))];
		for (let message = 0; message < 500; message++) {
			const [host, seq] = [rng.int(2 ** 32), rng.int(2 ** 53)];
			const isSampled = one.isSampled(host, seq);
			expect(other.isSampled(host, seq)).toBe(isSampled);
			if (isSampled) expect(greater.isSampled(host, seq)).toBe(true);
		}
	}
});

test("all messages are sampled at 1, and none at 0", () => {
	const rng = new Rng("ends");
	const [all, none] = [new Sampler(1), new Sampler(0)];
	for (let message = 0; message < 20_000; message++) {
		const [host, seq] = [rng.int(2 ** 32), rng.int(2 ** 53)];
		expect([all.isSampled(host, seq), none.isSampled(host, seq)]).toEqual([true, false]);
	}
});

test.each([
	["one host", (at: number) => [7, 1_000_000 + at]],
	["one host with times as seqs", (at: number) => [7, 1_700_000_000_000_000 + 1_000 * at]],
	["many hosts at the same seq", (at: number) => [at, 5]],
	["seqs beyond 32 bits", (at: number) => [7, at * 2 ** 32]],
] as const)("the share of %s is as set", (_, messageAt) => {
	const count = 100_000;
	for (const ratio of [0.01, 0.2, 0.5]) {
		const sampler = new Sampler(ratio);
		let sampled = 0;
		for (let at = 0; at < count; at++) {
			const [host = 0, seq = 0] = messageAt(at);
			if (sampler.isSampled(host, seq)) sampled++;
		}
		// Six standard deviations.
		const deviation = 6 * Math.sqrt(count * ratio * (1 - ratio));
		expect(sampled).toBeWithin(count * ratio - deviation, count * ratio + deviation);
	}
});
