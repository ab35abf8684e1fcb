import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { DirectoryLock } from "../../../src/log/local/lock.ts";
import { TestLog, temporaryDirectory } from "../harness.ts";
import { MemoryFs } from "./memory-fs.ts";

const LOCK_MODULE = new URL("../../../src/log/local/lock.ts", import.meta.url).href;

/** Another process that takes the lock, or says why it can't. */
function lockElsewhere(directory: string): { output: ReadableStream<Uint8Array>; kill: () => Promise<number> } {
	const script = `
		const { DirectoryLock } = await import(${JSON.stringify(LOCK_MODULE)});
		try {
			globalThis.lock = new DirectoryLock(${JSON.stringify(directory)});
			process.stdout.write("locked");
			setInterval(() => {}, 1000);
		} catch (error) {
			process.stdout.write(error.message);
		}`;
	const child = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe", stderr: "inherit" });
	return {
		output: child.stdout,
		kill() {
			child.kill("SIGKILL");
			return child.exited;
		},
	};
}

async function firstOutput(stream: ReadableStream<Uint8Array>): Promise<string> {
	const { value } = await stream.getReader().read();
	return Buffer.from(value ?? []).toString();
}

describe("the lock", () => {
	test("refuses a second writer in the same process, until the first has stopped", () => {
		const directory = temporaryDirectory();
		const log = new TestLog(directory, new MemoryFs());
		expect(() => new TestLog(directory, new MemoryFs())).toThrow("in use by another relay");
		log.stop();
		new TestLog(directory, new MemoryFs());
	});

	test("tells a directory that can't be written from one that is in use", () => {
		const directory = join(temporaryDirectory(), "not there");
		expect(() => new DirectoryLock(directory)).toThrow("can't be written");
	});

	test("refuses another process", async () => {
		const directory = temporaryDirectory();
		const lock = new DirectoryLock(directory);
		const other = lockElsewhere(directory);
		expect(await firstOutput(other.output)).toContain("in use by another relay");
		await other.kill();
		lock.release();
	});

	test("ends with a process that is killed", async () => {
		const directory = temporaryDirectory();
		const other = lockElsewhere(directory);
		expect(await firstOutput(other.output)).toBe("locked");
		expect(() => new DirectoryLock(directory)).toThrow("in use by another relay");
		await other.kill();
		new DirectoryLock(directory).release();
	});
});
