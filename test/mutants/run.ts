import { cpSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mutate } from "./mutate.ts";
import { MUTANTS, type Mutant } from "./table.ts";

const ROOT = join(import.meta.dir, "..", "..");
/** The parts of the tree that the mutants' tests need. */
const COPIED = ["src", "test", "package.json", "tsconfig.json", "bunfig.toml"];
const BASELINE_MS_MAX = 1_800_000;
/** Many times longer than the slowest of the tests takes. */
const MUTANT_MS_MAX = 300_000;

/** How a test run ended. `broken`: it failed before any test could give a verdict. */
interface Outcome {
	result: "passed" | "failed" | "hung" | "broken";
	/** The first test that failed, or another note. */
	detail: string;
}

/** Runs test files in the copy, up to the first failure. */
async function runTests(copy: string, files: readonly string[], timeoutMs: number): Promise<Outcome> {
	const paths = files.map((file) => `./test/${file}`);
	const child = Bun.spawn([process.execPath, "test", "--bail=1", "--timeout", String(timeoutMs), ...paths], {
		cwd: copy,
		stdin: "ignore",
		stdout: "ignore",
		stderr: "pipe",
		timeout: timeoutMs,
		killSignal: "SIGKILL",
	});
	const output = await new Response(child.stderr).text();
	await child.exited;
	if (child.signalCode === "SIGKILL") return { result: "hung", detail: `no end after ${timeoutMs / 1000} s` };
	if (child.exitCode === 0) return { result: "passed", detail: "" };
	const failed = /^\(fail\) (.*?)(?: \[[\d.]+m?s\])?$/m.exec(output)?.[1];
	return failed === undefined ? { result: "broken", detail: output } : { result: "failed", detail: failed };
}

/** Puts one mutant into the copy, runs its tests, and takes it out again. */
async function judge(copy: string, { file, find, replace, tests }: Mutant): Promise<Outcome> {
	const path = join(copy, "src", file);
	const source = await Bun.file(path).text();
	await Bun.write(path, mutate(source, find, replace));
	try {
		return await runTests(copy, tests, MUTANT_MS_MAX);
	} finally {
		await Bun.write(path, source);
	}
}

/** Runs the mutants whose name or file has the text in it. Returns the names of those that are not killed. */
async function runMutants(copy: string, filter: string): Promise<string[]> {
	const mutants = MUTANTS.filter(({ name, file }) => `${file} ${name}`.includes(filter));
	const tests = [...new Set(mutants.flatMap((mutant) => mutant.tests))];
	const baseline = await runTests(copy, tests, BASELINE_MS_MAX);
	if (baseline.result !== "passed")
		throw new Error(`without a mutant the tests are ${baseline.result}: ${baseline.detail}`);
	console.log("| mutant | in | killed by |\n|---|---|---|");
	const alive: string[] = [];
	for (const mutant of mutants) {
		const { result, detail } = await judge(copy, mutant);
		// A test that does not end may only be slow, so that is no kill.
		const isKilled = result === "failed";
		if (!isKilled) alive.push(mutant.name);
		console.log(`| ${mutant.name} | ${mutant.file} | ${isKilled ? detail : `**${result}** ${detail}`} |`);
	}
	console.log(`\n${mutants.length - alive.length} of ${mutants.length} mutants killed.`);
	return alive;
}

const copy = mkdtempSync(join(tmpdir(), "standpipe-mutants-"));
try {
	const filter = (path: string): boolean => !path.endsWith("/node_modules");
	for (const name of COPIED) cpSync(join(ROOT, name), join(copy, name), { recursive: true, filter });
	symlinkSync(join(ROOT, "node_modules"), join(copy, "node_modules"));
	const alive = await runMutants(copy, process.argv[2] ?? "");
	if (alive.length > 0) {
		console.error(`Not killed:\n  ${alive.join("\n  ")}`);
		process.exitCode = 1;
	}
} finally {
	rmSync(copy, { recursive: true, force: true });
}
