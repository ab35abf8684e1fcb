import { readdirSync } from "node:fs";
import { join, resolve } from "node:path";

export const ROOT = resolve(import.meta.dir, "../..");

/** The text of a page. @param path relative to the root of the repository */
export function readPage(path: string): Promise<string> {
	return Bun.file(join(ROOT, path)).text();
}

/** Every page that is written for people: those at the root, in `docs/`, `bench/` and `k8s/`, and of the tests' folders. */
export function listPages(): string[] {
	const ofRoot = readdirSync(ROOT).filter((name) => name.endsWith(".md"));
	const below = ["docs", "bench", "k8s", "test"].flatMap((folder) =>
		[...new Bun.Glob("**/*.md").scanSync(join(ROOT, folder))]
			.filter((path) => !path.includes("node_modules/"))
			.map((path) => `${folder}/${path}`),
	);
	return [...ofRoot, ...below].sort();
}
