import { relative, resolve } from "node:path";
import { Glob } from "bun";
import { type Declaration, declarations } from "../../src/observe/metric.ts";

const SRC = resolve(import.meta.dir, "../../src");

/**
 * Prints what all modules of `src/` declare together, as JSON. A process of its own: the threads' entry files listen for
 * messages as soon as they are loaded. Only the command line is left out, which would run.
 */
for (const path of [...new Glob("**/*.ts").scanSync({ cwd: SRC, absolute: true })].sort()) {
	if (relative(SRC, path) !== "main.ts") await import(path);
}
const all: Declaration[] = declarations();
await Bun.write(Bun.stdout, JSON.stringify(all));
process.exit(0);
