import { expect, test } from "bun:test";
import { processStatus } from "../../src/observe/process-status.ts";

test("the process's status is about what the runtime says, each time", () => {
	const read = processStatus();
	for (let at = 0; at < 3; at++) {
		const theirs = process.memoryUsage.rss();
		const { rssBytes, fileBytes, virtualBytes, threads } = read();
		expect(rssBytes).toBeGreaterThan(theirs / 2);
		expect(rssBytes).toBeLessThan(theirs * 2);
		expect(fileBytes).toBeGreaterThan(0);
		expect(fileBytes).toBeLessThan(rssBytes);
		expect(virtualBytes).toBeGreaterThan(rssBytes);
		expect(threads).toBeGreaterThan(1);
	}
});
