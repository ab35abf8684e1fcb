import { readdirSync } from "node:fs";
import { join, resolve } from "node:path";

const ROOT = resolve(import.meta.dir, "../..");

/**
 * Reads a layout from the page's text: the lines below `src/`, each indented by two spaces for each folder that it is in.
 *
 * @returns what is named there, in its order, by paths below `src/`; folders with a slash at the end
 */
export function readLayout(page: string): string[] {
	const lines = page.split("\n");
	const start = lines.indexOf("src/");
	if (start < 0) throw new Error("the page has no layout of src/");
	const named: string[] = [];
	const folders: string[] = [];
	for (const line of lines.slice(start + 1)) {
		const [, indent, name] = /^( +)([a-z][\w.-]*\/?)(?: |$)/.exec(line) ?? [];
		if (!line.startsWith(" ")) break;
		if (indent === undefined || name === undefined) continue;
		const depth = indent.length / 2 - 1;
		if (!Number.isInteger(depth) || depth > folders.length) continue;
		folders.length = depth;
		named.push(folders.join("") + name);
		if (name.endsWith("/")) folders.push(name);
	}
	return named;
}

/** The layout of `src/` as `docs/design.md` has it, section 6. */
export async function readLayoutOfDesign(): Promise<string[]> {
	return readLayout(await Bun.file(join(ROOT, "docs/design.md")).text());
}

/** What the layout has to name: every folder below `src/`, and the files that stand in none. */
export function listTree(): string[] {
	return readdirSync(join(ROOT, "src"), { withFileTypes: true, recursive: true })
		.map((entry) => {
			const path = join(entry.parentPath, entry.name).slice(join(ROOT, "src").length + 1);
			return entry.isDirectory() ? `${path}/` : path;
		})
		.filter((path) => path.endsWith("/") || !path.includes("/"))
		.sort();
}
