import { describe, expect, test } from "bun:test";
import { RateWindows, WINDOWS_MS } from "../../../src/ingest/host/rate-windows.ts";
import { Rng } from "../../../src/sim/rng.ts";
import { mostInAnyWindow } from "./naive-window.ts";

const LENGTHS = Object.values(WINDOWS_MS);

describe("a host's windows", () => {
	test.each(["a", "b", "c", "d"])("never have more than their limits, whatever comes and when (%s)", (seed) => {
		const rng = new Rng(`windows ${seed}`);
		for (let round = 0; round < 5; round++) {
			const limits = { perS: 1 + rng.int(60), perHour: 1 + rng.int(900), perDay: 1 + rng.int(4_000) };
			const windows = new RateWindows(limits);
			const passedMs: number[] = [];
			const reached = new Set<string>();
			let nowMs = rng.float() * 1_000;
			for (let step = 0; step < 40_000; step++) {
				const full = windows.fullAt(nowMs);
				if (full === null) {
					windows.add(nowMs);
					passedMs.push(nowMs);
					nowMs += rng.float() * rng.pick([0, 1, 1, 100, 10_000]);
				} else {
					reached.add(full.name);
					nowMs = rng.int(3) === 0 ? full.moreRoomAtMs : nowMs + rng.float() * 20;
				}
			}
			for (const [at, limit] of [limits.perS, limits.perHour, limits.perDay].entries())
				expect(mostInAnyWindow(passedMs, LENGTHS[at] ?? 0)).toBeLessThanOrEqual(limit);
			expect(reached.size).toBeGreaterThan(0);
		}
	});

	test("keep nothing back longer than an hour or a day and its 256th part", () => {
		const rng = new Rng("promptness");
		const windows = new RateWindows({ perS: 1_000_000, perHour: 700, perDay: 1_000_000 });
		const passedMs: number[] = [];
		let nowMs = 0;
		for (let step = 0; step < 30_000; step++) {
			nowMs += rng.float() * 20_000;
			if (windows.fullAt(nowMs) === null) {
				windows.add(nowMs);
				passedMs.push(nowMs);
			} else {
				const inWindow = passedMs.filter((atMs) => nowMs - atMs < 3_600_000 * (1 + 1 / 256)).length;
				expect(inWindow).toBeGreaterThanOrEqual(700);
			}
			if (passedMs.length > 2_000) passedMs.splice(0, 1_000);
		}
	});

	test("hold new limits against what was counted before", () => {
		const windows = new RateWindows({ perS: 10, perHour: 100, perDay: 1_000 });
		for (let count = 0; count < 8; count++) windows.add(count);
		expect(windows.fullAt(8)).toBeNull();
		windows.setLimits({ perS: 8, perHour: 100, perDay: 1_000 });
		expect(windows.fullAt(8)?.name).toBe("second");
		expect(windows.fullAt(999)?.name).toBe("second");
		expect(windows.fullAt(1_000)).toBeNull();
		windows.setLimits({ perS: 8, perHour: 100, perDay: 8 });
		expect(windows.fullAt(1_001)?.name).toBe("day");
		expect(windows.fullAt(86_400_000)).toBeNull();
	});
});
