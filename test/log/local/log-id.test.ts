import { expect, test } from "bun:test";
import { ensureLogId, readLogId } from "../../../src/log/local/log-id.ts";
import { Damage } from "../../../src/runtime/boundary.ts";
import { onCleanup, TestLog, temporaryDirectory } from "../harness.ts";
import { MemoryFs } from "./memory-fs.ts";

const UUID = /^[0-9a-f-]{36}$/;

test("a log has an id before its first segment, keeps it, and no two logs have the same", () => {
	const fs = new MemoryFs();
	const directory = temporaryDirectory();
	const log = new TestLog(directory, fs);
	onCleanup(() => log.kill());
	const id = readLogId(fs, directory);
	expect(id).toMatch(UUID);
	const segment = fs.calls.findIndex((call) => call.startsWith("rename") && call.includes(".seg"));
	const named = fs.calls.findIndex((call) => call.startsWith("rename") && call.endsWith("id"));
	expect(named).toBeGreaterThan(-1);
	expect(segment).toBeGreaterThan(named);
	expect(readLogId(fs.afterPowerCut(), directory)).toBe(id);
	expect(ensureLogId(fs.afterKill(), directory)).toBe(id ?? "");
	expect(ensureLogId(fs, "/b")).not.toBe(id ?? "");
});

test("a log without an id gets one", () => {
	const fs = new MemoryFs();
	expect(readLogId(fs, "/a")).toBeNull();
	const id = ensureLogId(fs, "/a");
	expect(readLogId(fs, "/a")).toBe(id);
});

test("the file may be written by hand", () => {
	const directory = temporaryDirectory();
	const fs = new MemoryFs();
	const id = ensureLogId(fs, directory);
	for (const text of [id, `${id}\n`, `  ${id}\r\n`]) {
		fs.put(`${directory}/id`, Buffer.from(text));
		expect(readLogId(fs, directory)).toBe(id);
	}
	for (const text of ["", "\n", id.slice(1), `${id}0`, id.replace("-", "_"), "x".repeat(10_000)]) {
		fs.put(`${directory}/id`, Buffer.from(text));
		expect(() => ensureLogId(fs, directory)).toThrow(Damage);
		expect(() => readLogId(fs, directory)).toThrow("holds no log id");
	}
});
