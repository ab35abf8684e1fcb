import { describe, expect, test } from "bun:test";
import { backoffMs, Outage } from "../../src/identity/outage.ts";

const AT_ONCE_MAX = 8;

describe("an outage", () => {
	test("begins with three failures in a row, and ends with an answer after its pause", () => {
		const outage = new Outage(() => 0.5);
		expect([outage.failed(0, null), outage.failed(0, null)]).toEqual([false, false]);
		expect(outage.answered(0)).toBe(false);
		expect([outage.failed(1, null), outage.failed(1, null), outage.failed(1, null)]).toEqual([false, false, true]);
		const waitMs = outage.waitMs(1);
		expect([waitMs > 0, outage.atOnce(1, AT_ONCE_MAX)]).toEqual([true, 0]);
		// The answer to a request from before the pause does not end it.
		expect([outage.answered(2), outage.failing]).toEqual([false, true]);
		expect(outage.atOnce(1 + waitMs, AT_ONCE_MAX)).toBe(1);
		expect([outage.answered(1 + waitMs), outage.failing]).toEqual([true, false]);
		expect(outage.atOnce(1 + waitMs, AT_ONCE_MAX)).toBe(AT_ONCE_MAX);
	});

	test("has growing pauses up to a minute, one for all requests that fail together", () => {
		const outage = new Outage(() => 1);
		let nowMs = 0;
		const pausesMs: number[] = [];
		for (let pause = 0; pause < 10; pause++) {
			for (let request = 0; request < 32; request++) outage.failed(nowMs, null);
			pausesMs.push(outage.waitMs(nowMs));
			nowMs += outage.waitMs(nowMs);
		}
		expect(pausesMs).toEqual([1, 2, 4, 8, 16, 32, 60, 60, 60, 60].map((seconds) => seconds * 1000));
	});

	test("lasts as long as the server asks for, whatever shorter time another answer asked for", () => {
		const outage = new Outage(() => 0.5);
		expect(outage.failed(0, 30_000)).toBe(true);
		expect(outage.failed(10, 5_000)).toBe(false);
		expect(outage.failed(20, null)).toBe(false);
		expect(outage.waitMs(20)).toBe(29_980);
		expect(outage.atOnce(30_000, AT_ONCE_MAX)).toBe(1);
	});
});

test("backoff has jitter of a half", () => {
	expect([backoffMs(1, 0), backoffMs(1, 1), backoffMs(1_000, 0), backoffMs(1_000, 1)]).toEqual([
		500, 1_000, 30_000, 60_000,
	]);
});
