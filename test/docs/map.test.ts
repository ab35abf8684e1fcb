import { expect, test } from "bun:test";
import { parseMarkdown } from "./markdown.ts";
import { listPages, readPage } from "./page.ts";

/** The least that the map has to answer. */
const QUESTIONS_MIN = 30;

test("the map answers each question once, with a file", async () => {
	const rows = (await readPage("docs/map.md")).split("\n").filter((line) => /^\| .*\?/.test(line));
	const questions = rows.map((row) => row.split("|")[1]?.trim());
	expect(questions.length).toBeGreaterThanOrEqual(QUESTIONS_MIN);
	expect(new Set(questions).size).toBe(questions.length);
	// links.test.ts looks whether the files exist.
	expect(rows.filter((row) => parseMarkdown(row).targets.length === 0)).toEqual([]);
});

test("the list of decisions has each page of its folder", async () => {
	const listed = parseMarkdown(await readPage("docs/decisions/README.md")).targets;
	const pages = listPages()
		.filter((path) => path.startsWith("docs/decisions/") && !path.endsWith("README.md"))
		.map((path) => path.slice("docs/decisions/".length));
	expect(pages.length).toBeGreaterThan(5);
	expect(listed.filter((target) => !target.startsWith(".."))).toEqual(expect.arrayContaining(pages));
});
