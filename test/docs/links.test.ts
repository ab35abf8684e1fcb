import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseMarkdown, readMarkdown } from "./markdown.ts";
import { listPages, ROOT } from "./page.ts";

/** A target that leads out of the repository. */
const IS_OUTSIDE = /^[a-z]+:/;

/** Targets on a page that name no file of the repository, or no heading of its page. */
async function brokenTargets(page: string, targets: readonly string[]): Promise<string[]> {
	const broken: string[] = [];
	for (const target of targets.filter((target) => !IS_OUTSIDE.test(target))) {
		const [name = "", anchor] = target.split("#");
		const path = name === "" ? page : join(dirname(page), name);
		if (!existsSync(join(ROOT, path))) broken.push(target);
		else if (anchor !== undefined && !(await hasHeading(path, anchor))) broken.push(target);
	}
	return broken;
}

async function hasHeading(path: string, anchor: string): Promise<boolean> {
	return path.endsWith(".md") && (await readMarkdown(path)).headings.some(({ id }) => id === anchor);
}

const pages = listPages();

describe("links", () => {
	test.each(pages)("on %s lead to files and headings that exist", async (page) => {
		const { targets } = await readMarkdown(page);
		expect(await brokenTargets(page, targets)).toEqual([]);
	});

	test("are read: of every form, on every page", async () => {
		expect(pages).toEqual(expect.arrayContaining(["README.md", "bench/README.md", "docs/design.md"]));
		expect((await readMarkdown("README.md")).targets.length).toBeGreaterThan(10);
		const text = "[a](b.md#c) ![d](e.svg) [f][1] <https://g.h/>\n\n`[i](j.md)`\n\n[1]: k.md\n";
		expect(parseMarkdown(text).targets).toEqual(["b.md#c", "e.svg", "k.md", "https://g.h/"]);
	});

	test("to headings are what code hosts make of them", () => {
		const text = "# Ask: *what* is `a_b`?\n\n## 2.1 A / b\n\n## 2.1 A / b\n\n# x-1\n";
		expect(parseMarkdown(text).headings.map(({ id }) => id)).toEqual([
			"ask-what-is-a_b",
			"21-a--b",
			"21-a--b-1",
			"x-1",
		]);
	});

	test("that are broken are found: a file, a heading, a heading of a file that has none", async () => {
		const good = [
			"invariants.md",
			"../README.md",
			"rulebook.md#26-ingest-pipeline-what-the-relay-checks-in-order-and-the-outcome",
		];
		const bad = ["absent.md", "../docs/absent/", "invariants.md#absent", "versus.svg#absent", "#absent"];
		expect(await brokenTargets("docs/design.md", [...good, "https://example.com/", ...bad])).toEqual(bad);
	});
});
