import { expect, test } from "bun:test";
import { LogLimiter } from "../../src/runtime/log-limiter.ts";
import { Rng } from "../../src/sim/rng.ts";

test("a key gets one line per interval, and each line says how many were left out", () => {
	const rng = new Rng("log limiter");
	let nowMs = 0;
	const limiter = new LogLimiter({ intervalMs: 100, keysMax: 50, nowMs: () => nowMs });
	const lastLineMs = new Map<string, number>();
	const asked = new Map<string, number>();
	const told = new Map<string, number>();
	for (let step = 0; step < 20_000; step++) {
		nowMs += rng.int(5);
		const key = `host-${rng.int(40)}`;
		asked.set(key, (asked.get(key) ?? 0) + 1);
		const omitted = limiter.take(key);
		const isDue = nowMs - (lastLineMs.get(key) ?? Number.NEGATIVE_INFINITY) >= 100;
		expect(omitted !== null).toBe(isDue);
		if (omitted === null) continue;
		lastLineMs.set(key, nowMs);
		told.set(key, (told.get(key) ?? 0) + 1 + omitted);
		expect(told.get(key)).toBe(asked.get(key) ?? 0);
	}
});

test("it remembers a bounded number of keys, and forgets the oldest first", () => {
	const limiter = new LogLimiter({ intervalMs: 1_000, keysMax: 3, nowMs: () => 0 });
	for (const key of ["a", "b", "c", "d"]) expect(limiter.take(key)).toBe(0);
	expect(limiter.take("b")).toBeNull();
	expect(limiter.take("a")).toBe(0);
});
