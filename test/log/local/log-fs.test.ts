import { describe, expect, test } from "bun:test";
import { closeSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BLOCK_BYTES, systemLogFs } from "../../../src/log/local/log-fs.ts";
import { Rng } from "../../../src/sim/rng.ts";
import { temporaryDirectory } from "../harness.ts";
import { MemoryFs } from "./memory-fs.ts";

/** Both do the same, or the tests in memory say nothing of a real disk. */
describe("the machine's file system, and the one in memory", () => {
	const path = "/log/file";

	test("an overwrite fills its last block with zeros, and writes nothing after that", () => {
		const rng = new Rng("log-fs/overwrite");
		const directory = temporaryDirectory();
		for (let round = 0; round < 50; round++) {
			const before = Buffer.alloc(8 * BLOCK_BYTES, 7);
			const bytes = Buffer.alloc(1 + rng.int(3 * BLOCK_BYTES), 9);
			const position = rng.int(before.length - bytes.length - BLOCK_BYTES);
			const end = Math.ceil((position + bytes.length) / BLOCK_BYTES) * BLOCK_BYTES;
			const expected = Buffer.from(before);
			expected.fill(0, position + bytes.length, end);
			expected.set(bytes, position);
			const real = join(directory, `${round}`);
			writeFileSync(real, before);
			const file = openSync(real, "r+");
			systemLogFs.overwrite(file, bytes, position);
			closeSync(file);
			expect(readFileSync(real).equals(expected)).toBe(true);
			const memory = new MemoryFs();
			memory.put(path, before);
			memory.overwrite(memory.open(path, "update"), bytes, position);
			expect(memory.content(path).equals(expected)).toBe(true);
		}
	});

	test("a write off the thread writes all bytes, at their place", async () => {
		const bytes = Buffer.alloc(3 * 1024 * 1024, 5);
		const real = join(temporaryDirectory(), "file");
		writeFileSync(real, "head");
		const file = openSync(real, "r+");
		await systemLogFs.writeInBackground(file, bytes, 4);
		closeSync(file);
		expect(readFileSync(real).equals(Buffer.concat([Buffer.from("head"), bytes]))).toBe(true);
		await expect(systemLogFs.writeInBackground(file, bytes, 0)).rejects.toThrow("EBADF");
	});
});
