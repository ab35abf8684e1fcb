import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { ROOT, readPage } from "./page.ts";

/** A file of tests, and the name of the test in it, or a piece of code there. */
const TEST_LINE = /^ {2}Test: \[(test\/[\w/.-]+\.test\.ts)\]\([^)]+\)(?:, (?:"(.+)"|`(.+)`))?$/;

test("each trap has a test that holds it, which is there under the name that the page gives", async () => {
	const lines = (await readPage("docs/gotchas.md")).split("\n");
	const traps = lines.filter((line) => line.startsWith("- **"));
	expect(traps.length).toBeGreaterThan(20);
	const faults: string[] = [];
	for (const [at, line] of lines.entries()) {
		if (!line.startsWith("- **")) continue;
		const [, file, name, code] = TEST_LINE.exec(lines[at + 1] ?? "") ?? [];
		if (file === undefined || !existsSync(join(ROOT, file))) faults.push(`no test: ${line}`);
		else if (!(await readPage(file)).includes(name ?? code ?? "")) faults.push(`${file} has no test "${name ?? code}"`);
	}
	expect(faults).toEqual([]);
});
