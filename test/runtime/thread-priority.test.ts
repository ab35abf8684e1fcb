import { expect, test } from "bun:test";
import { yieldToDataPath } from "../../src/runtime/thread-priority.ts";

test("a thread asks for a lower priority once, and goes on if it is refused", () => {
	const asked: number[] = [];
	yieldToDataPath("reads", (niceness) => void asked.push(niceness));
	expect(asked).toEqual(process.platform === "linux" ? [10] : []);
	expect(() =>
		yieldToDataPath("reads", () => {
			throw Object.assign(new Error("operation not permitted"), { code: "EPERM" });
		}),
	).not.toThrow();
});
