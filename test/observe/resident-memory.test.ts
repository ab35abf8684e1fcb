import { expect, test } from "bun:test";
import { residentMemory } from "../../src/observe/resident-memory.ts";

test("the resident memory is about what the runtime says, each time", () => {
	const resident = residentMemory();
	for (let at = 0; at < 3; at++) {
		const theirs = process.memoryUsage.rss();
		expect(resident()).toBeGreaterThan(theirs / 2);
		expect(resident()).toBeLessThan(theirs * 2);
	}
});
