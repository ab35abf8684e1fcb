import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { arrowsUp, circlesOf } from "./structure/import-map.ts";
import { listTree, readLayout, readLayoutOfDesign } from "./structure/layout.ts";
import { readSources } from "./structure/sources.ts";

/** Lines of a function, from its first word to its closing brace. One that is longer says why, in a comment right above it. */
const FUNCTION_LINES_MAX = 60;

const ROOT = resolve(import.meta.dir, "..");

const sources = await readSources();
const layout = await readLayoutOfDesign();
const imports = new Map(sources.map(({ path, imports }) => [path, imports]));

describe("src/", () => {
	test("is read: files, imports and functions", () => {
		expect(sources.length).toBeGreaterThan(150);
		expect(imports.get("relay/relay.ts")?.length).toBeGreaterThan(10);
		// By a type only.
		expect(imports.get("runtime/worker-context.ts")).toContain("config/settings.ts");
		expect(sources.flatMap(({ functions }) => functions).length).toBeGreaterThan(1000);
	});

	test("has no file that imports itself by way of others", () => {
		expect(circlesOf(imports)).toEqual([]);
	});

	test("has the rooms of the design, in its order: none imports from one above it", () => {
		expect(arrowsUp(imports, layout)).toEqual([]);
	});

	test("has every folder that the design names, and no other", () => {
		expect(listTree()).toEqual([...layout].sort());
	});

	test("has in each folder one file whose first line says what the folder is and is not", async () => {
		const folders = layout.filter((name) => name.endsWith("/"));
		const firstLines = await Promise.all(
			sources.map(
				async ({ path }) => [path, (await Bun.file(join(ROOT, "src", path)).text()).split("\n")[0] ?? ""] as const,
			),
		);
		const introducing = (folder: string): number =>
			firstLines.filter(([path, line]) => dirname(path) === folder.slice(0, -1) && line.startsWith(`// ${folder}: `))
				.length;
		expect(folders.filter((folder) => introducing(folder) !== 1)).toEqual([]);
	});

	test("knows in one place only that the log is in files", () => {
		const users = [...imports]
			.filter(([path, to]) => !path.startsWith("log/local/") && to.some((other) => other.startsWith("log/local/")))
			.map(([path]) => path);
		expect(users).toEqual(["log/access.ts"]);
	});

	test(`has no function of more than ${FUNCTION_LINES_MAX} lines that does not say why`, () => {
		const long = sources
			.flatMap(({ functions }) => functions)
			.filter(({ lines, reason }) => lines > FUNCTION_LINES_MAX && reason === "")
			.map(({ place, lines }) => `${place}: ${lines} lines`);
		expect(long).toEqual([]);
	});
});

test("the design and the invariants name files that exist", async () => {
	const missing: string[] = [];
	for (const [page, pattern, places] of [
		["design.md", /`([\w-]+\/[\w/-]+\.ts)`/g, ["src/$", "test/$", "$"]],
		["invariants.md", /`([a-z-]+\/[\w/-]+)`/g, ["test/$.test.ts", "test/$.ts", "test/$"]],
	] as const) {
		const text = await Bun.file(join(ROOT, "docs", page)).text();
		const names = [...text.matchAll(pattern)].map(([, name = ""]) => name);
		expect(names.length).toBeGreaterThan(15);
		const isThere = (name: string): boolean =>
			places.some((place) =>
				existsSync(
					join(
						ROOT,
						place.replace("$", () => name),
					),
				),
			);
		missing.push(...names.filter((name) => !isThere(name)).map((name) => `${page}: ${name}`));
	}
	expect(missing).toEqual([]);
});

test("the glossary has each term once, in alphabetical order, on a line that ends as a sentence", async () => {
	const page = await Bun.file(join(ROOT, "docs/glossary.md")).text();
	const lines = page.split("\n").filter((line) => line.startsWith("-"));
	const terms = lines.map((line) => /^- \*\*([\w -]+)\*\*: .+\.$/.exec(line)?.[1] ?? `not a term: ${line}`);
	expect(terms.length).toBeGreaterThan(60);
	expect(terms).toEqual([...new Set(terms)].sort((a, b) => a.toLowerCase().localeCompare(b.toLowerCase())));
});

describe("what finds faults of structure", () => {
	test("finds a circle of two and one of three, and no circle in what only meets", () => {
		const circles = circlesOf(
			new Map([
				["a", ["b"]],
				["b", ["a", "c"]],
				["c", ["d"]],
				["d", ["e"]],
				["e", ["c"]],
				["f", ["a", "g"]],
				["g", ["d"]],
			]),
		);
		expect(circles).toEqual([
			["a", "b"],
			["c", "d", "e"],
		]);
	});

	test("finds an arrow up, in a room too, and a room that is not in the order", () => {
		const map = new Map([
			["low/a.ts", ["low/b.ts", "high/c.ts"]],
			["high/c.ts", ["low/a.ts", "high/in/d.ts"]],
			["high/in/d.ts", ["high/c.ts", "high/up/e.ts", "low/a.ts"]],
			["high/up/e.ts", ["high/in/d.ts", "high/in/f.ts", "high/new/g.ts"]],
			["main.ts", ["high/c.ts", "other/d.ts"]],
			["high/main.ts", ["main.ts"]],
		]);
		expect(arrowsUp(map, ["low/", "high/", "high/in/", "high/up/", "main.ts"])).toEqual([
			"high/in/d.ts -> high/up/e.ts",
			"high/main.ts -> main.ts",
			"high/up/e.ts -> high/new/g.ts",
			"low/a.ts -> high/c.ts",
			"main.ts -> other/d.ts",
		]);
	});

	test("reads a layout: rooms in their order, and folders in folders", () => {
		const page = [
			"text",
			"src/",
			"  a/     is first/ of all",
			"    b/   lies in it",
			"      c/",
			"           more of c",
			"  d.ts   is last",
			"test/",
			"  e/",
		];
		expect(readLayout(page.join("\n"))).toEqual(["a/", "a/b/", "a/b/c/", "d.ts"]);
	});
});
