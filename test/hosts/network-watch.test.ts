import { describe, expect, test } from "bun:test";
import { FALL_MS, NetworkWatch } from "../../src/hosts/network-watch.ts";

/** What so many hosts that connect, one after the other, end. */
function open(watch: NetworkWatch, count: number): (number | null)[] {
	return Array.from({ length: count }, () => watch.opened());
}

function end(watch: NetworkWatch, count: number, nowMs: number): void {
	for (let ended = 0; ended < count; ended++) watch.ended(nowMs);
}

const NONE = [null, null, null, null, null];

describe("an outage of the network", () => {
	test("is over with the third host that is reached, after nine of ten were lost", () => {
		const watch = new NetworkWatch();
		open(watch, 100);
		end(watch, 89, 1e9);
		expect(open(watch, 1)).toEqual([null]);
		end(watch, 2, 2e9);
		expect(open(watch, 5)).toEqual([null, null, 2e9 - FALL_MS, null, null]);
	});

	test("is none if few hosts were connected, or if fewer are lost, or if they were not lost from the most that there were", () => {
		const few = new NetworkWatch();
		open(few, 9);
		end(few, 9, 1e9);
		expect(open(few, 5)).toEqual(NONE);
		const some = new NetworkWatch();
		open(some, 100);
		end(some, 80, 1e9);
		expect(open(some, 5)).toEqual(NONE);
	});

	test("can follow another, and is not seen twice while the first lasts", () => {
		const watch = new NetworkWatch();
		open(watch, 20);
		end(watch, 20, 1e9);
		open(watch, 1);
		end(watch, 1, 2e9);
		expect(open(watch, 2)).toEqual([null, 1e9 - FALL_MS]);
		open(watch, 18);
		end(watch, 20, 3e9);
		expect(open(watch, 3)).toEqual([null, null, 3e9 - FALL_MS]);
	});

	test("may have begun before the start, if hosts were connected then", () => {
		const watch = new NetworkWatch();
		watch.expect(10, 1e9);
		expect(open(watch, 4)).toEqual([null, null, 1e9 - FALL_MS, null]);
		const small = new NetworkWatch();
		small.expect(9, 1e9);
		expect(open(small, 5)).toEqual(NONE);
	});
});
