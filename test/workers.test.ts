import { expect, test } from "bun:test";
import { relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { WORKER_ENTRIES } from "../src/workers.ts";

const ROOT = resolve(import.meta.dir, "..");
const { scripts }: { scripts: { build: string } } = await Bun.file(resolve(ROOT, "package.json")).json();
const words = scripts.build.split(" ");

test("the build names every thread's entry file: one that it doesn't name is missing in the binary", () => {
	const named = words.filter((word) => word.endsWith("/worker.ts"));
	const entries = Object.values(WORKER_ENTRIES).map((url) => relative(ROOT, fileURLToPath(url)));
	expect(named.sort()).toEqual(entries.sort());
});

test("the build reads no settings of the folder that the relay is started in", () => {
	for (const flag of ["--no-compile-autoload-dotenv", "--no-compile-autoload-bunfig"]) expect(words).toContain(flag);
});
