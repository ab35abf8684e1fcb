import { describe, expect, test } from "bun:test";
import { Detour } from "../../../src/ingest/host/detour.ts";
import { RefusedCursor } from "../../../src/ingest/host/refused-cursor.ts";
import { Rng } from "../../../src/sim/rng.ts";

/** How long the host manager waits after such an answer. */
const RETRY_MS = 30 * 60_000;

describe("a detour", () => {
	test("tries three times, then leaves out more and more, and in the end goes to the live end", () => {
		const detour = new Detour();
		const cursors: (number | null)[] = [];
		for (let dial = 0; dial < 25; dial++) {
			cursors.push(detour.cursor(100));
			detour.blocked(1);
		}
		const powers = Array.from({ length: 17 }, (_, exponent) => 100 + 2 ** exponent);
		expect(cursors).toEqual([100, 100, 100, ...powers, null, null, null, null, null]);
		detour.clear();
		expect(detour.cursor(100)).toBe(100);
	});

	test("begins after all messages that could not be read in a row, since each has a seq", () => {
		const detour = new Detour();
		for (let dial = 0; dial < 3; dial++) detour.blocked(7);
		expect(detour.cursor(100)).toBe(107);
		detour.blocked(1);
		expect(detour.cursor(100)).toBe(114);
	});

	test("of a host without a cursor asks for none", () => {
		const detour = new Detour();
		for (let dial = 0; dial < 30; dial++) {
			expect(detour.cursor(null)).toBeNull();
			detour.blocked(1);
		}
	});

	test("wherever the unreadable message is, one of its cursors is past it or is the live end", () => {
		const rng = new Rng("obstacles");
		for (let round = 0; round < 500; round++) {
			const obstacle = 1 + rng.int(2 ** rng.int(20));
			const detour = new Detour();
			let dials = 0;
			for (let cursor = detour.cursor(0); cursor !== null && cursor < obstacle; cursor = detour.cursor(0)) {
				detour.blocked(1 + rng.int(3));
				dials++;
			}
			expect(dials).toBeLessThanOrEqual(20);
		}
	});
});

describe("a cursor that the host refuses", () => {
	test("is given up after three answers over an hour, and not earlier", () => {
		const refused = new RefusedCursor();
		expect(refused.answered(0)).toBe(false);
		for (let ms = 1; ms < 60 * 60_000; ms += 60_000) expect(refused.answered(ms)).toBe(false);
		expect(refused.answered(60 * 60_000)).toBe(true);
	});

	test("is not given up for two answers, however far apart", () => {
		const refused = new RefusedCursor();
		expect([refused.answered(0), refused.answered(7 * 24 * 3_600_000)]).toEqual([false, false]);
		expect(refused.answered(7 * 24 * 3_600_000 + 1)).toBe(true);
	});

	test("is counted from the start again after a message", () => {
		const refused = new RefusedCursor();
		for (const ms of [0, RETRY_MS]) refused.answered(ms);
		refused.clear();
		expect(refused.answered(2 * RETRY_MS)).toBe(false);
		expect(refused.answered(3 * RETRY_MS)).toBe(false);
		expect(refused.answered(4 * RETRY_MS)).toBe(true);
	});
});
