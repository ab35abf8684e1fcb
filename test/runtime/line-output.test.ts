import { describe, expect, test } from "bun:test";
import { LineOutput } from "../../src/runtime/line-output.ts";
import { Rng } from "../../src/sim/rng.ts";

/** An error of the system. */
function failure(code: string): Error {
	return Object.assign(new Error(`${code}: by the test`), { code });
}

describe("the output of a command", () => {
	test("is complete although the reader is slow and takes a part at a time", () => {
		const rng = new Rng("slow reader");
		const taken: Buffer[] = [];
		let waits = 0;
		const output = new LineOutput(
			(bytes) => {
				if (rng.int(3) === 0) throw failure("EAGAIN");
				const count = Math.min(bytes.length, 1 + rng.int(9_000));
				taken.push(Buffer.from(bytes.subarray(0, count)));
				return count;
			},
			() => {
				waits += 1;
			},
		);
		const lines = Array.from({ length: 3_000 }, (_, at) => `${at} ${"ä".repeat(rng.int(200))}`);
		for (const line of lines) expect(output.line(line)).toBe(true);
		output.flush();
		expect(Buffer.concat(taken).toString()).toBe(lines.map((line) => `${line}\n`).join(""));
		expect(waits).toBeGreaterThan(5);
	});

	test("shows a text on a terminal at once, until the next text or line replaces it", () => {
		let written = "";
		const output = new LineOutput((bytes) => {
			written += bytes.toString();
			return bytes.length;
		});
		output.line("first");
		output.status("10 %");
		expect(written).toBe("first\n10 %");
		output.status("20 %");
		output.line("last");
		output.line("of all");
		output.flush();
		expect(written).toBe("first\n10 %\r\u001b[2K20 %\r\u001b[2Klast\nof all\n");
	});

	test("ends when nobody reads any more, and that is no error", () => {
		let calls = 0;
		const output = new LineOutput(() => {
			calls += 1;
			throw failure("EPIPE");
		});
		let lines = 0;
		while (output.line("x".repeat(1_000))) lines += 1;
		expect(lines).toBeLessThan(100);
		output.flush();
		expect(calls).toBe(1);
	});

	test("fails with any other error in writing it", () => {
		const output = new LineOutput(() => {
			throw failure("ENOSPC");
		});
		output.line("text");
		expect(() => output.flush()).toThrow("ENOSPC");
	});
});
