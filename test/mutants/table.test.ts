import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { mutate } from "./mutate.ts";
import { MUTANTS } from "./table.ts";

const ROOT = join(import.meta.dir, "..", "..");

test("each mutant's place stands in its file exactly once, and becomes other code", () => {
	const stale = MUTANTS.flatMap(({ name, file, find, replace }) => {
		const source = readFileSync(join(ROOT, "src", file), "utf8");
		try {
			return mutate(source, find, replace) === source ? [`${name}: changes nothing`] : [];
		} catch (error) {
			return [`${name}: ${file}: ${error}`];
		}
	});
	expect(stale).toEqual([]);
});

test("mutants have names of their own, and tests that exist", () => {
	expect(new Set(MUTANTS.map(({ name }) => name)).size).toBe(MUTANTS.length);
	const missing = MUTANTS.flatMap(({ tests }) => tests).filter((file) => !existsSync(join(ROOT, "test", file)));
	expect(missing).toEqual([]);
});

test("a place that is gone, doubled or becomes no code is refused", () => {
	expect(() => mutate("a();", "b();", "")).toThrow("0 times");
	expect(() => mutate("a();a();", "a();", "")).toThrow("2 times");
	expect(() => mutate("a();", "a();", "a(")).toThrow();
	expect(mutate("a();b();", "a();", "$&")).toBe("$&b();");
});
