import { describe, expect, test } from "bun:test";
import { fullName } from "../../src/http/metrics.ts";
import { READINGS } from "../../src/monitor/readings.ts";
import { GENERATED_PAGES, withTable } from "./generated-pages.ts";
import { declaredMetrics } from "./metrics-table.ts";
import { readPage } from "./page.ts";

const BEGIN = "<!-- generated: change the code and run `make docs` -->";
const END = "<!-- end of generated -->";

describe("a table that is made from the code", () => {
	test.each(GENERATED_PAGES)("is up to date in $path; if it is not, run: make docs", async ({ path, table }) => {
		const text = await readPage(path);
		expect(text).toBe(withTable(text, await table()));
	});

	test("has a row for each metric, reason, setting, answer and check", async () => {
		const tables = await Promise.all(GENERATED_PAGES.map(({ table }) => table()));
		const counts = tables.map((text) => text.trim().split("\n").length - 2);
		for (const count of counts) expect(count).toBeGreaterThan(25);
	});

	test("replaces what stands between the two comments, and nothing else", () => {
		const page = `before\n${withTable(`${BEGIN}old${END}`, "old\ntable")}\nafter\n`;
		expect(page).toBe(`before\n${BEGIN}\n\nold\ntable\n\n${END}\nafter\n`);
		expect(withTable(page, "new")).toBe(`before\n${BEGIN}\n\nnew\n\n${END}\nafter\n`);
	});

	test.each([
		["", "no comments"],
		["<!-- end of generated -->", "the second one only"],
		["<!-- generated: change the code and run `make docs` -->", "the first one only"],
	])("needs both comments: %p", (text) => {
		expect(() => withTable(text, "table")).toThrow("the page needs one line");
	});
});

test("metrics of every kind of thread are found", async () => {
	const names = (await declaredMetrics()).map(({ name }) => name);
	for (const name of ["engine_panics_total", "records_appended_total", "index_records_total", "frames_sent_total"])
		expect(names).toContain(name);
});

test("every metric says what it means and what to do when it looks wrong", async () => {
	for (const { name, help, advice } of [...(await declaredMetrics()), ...READINGS]) {
		expect([name, help]).toEqual([name, expect.stringMatching(/^\S[^\n]*[^\s.]$/)]);
		expect([name, advice]).toEqual([name, expect.stringMatching(/^[A-Z`][^\n]{8,}\.$/)]);
		expect(advice).not.toContain(help);
	}
});

test("metrics that the words of others name exist", async () => {
	const all = [...(await declaredMetrics()).map((one) => ({ ...one, name: fullName(one.name) })), ...READINGS];
	const names = new Set(all.map(({ name }) => name));
	const named = all.flatMap(({ help, advice }) => `${help} ${advice}`.match(/\b(standpipe|process)_\w+/g) ?? []);
	expect(named.length).toBeGreaterThan(20);
	expect(named.filter((name) => !names.has(name))).toEqual([]);
});
