import { expect, test } from "bun:test";
import { join } from "node:path";

const ROOT = join(import.meta.dir, "..", "..");

/** Runs the demo on the relay's sources and gives its output, line by line. */
async function runDemo(signal: NodeJS.Signals | null): Promise<{ code: number; lines: string[] }> {
	const child = Bun.spawn([process.execPath, "src/main.ts", "demo", ...(signal === null ? ["--seconds", "2"] : [])], {
		cwd: ROOT,
		stdout: "pipe",
		stderr: "inherit",
	});
	let output = "";
	for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
		output += chunk;
		if (signal !== null && /^hosts 10/m.test(output)) child.kill(signal);
	}
	return { code: await child.exited, lines: output.split("\n") };
}

test.each([null, "SIGINT", "SIGTERM"] as const)(
	"the demo shows every message come to its right end, and ends cleanly (%s)",
	async (signal) => {
		const { code, lines } = await runDemo(signal);
		expect(lines).toContainEqual(expect.stringMatching(/^hosts 10\/10 {2}in +\d+\/s {2}out +\d+\/s/));
		expect(lines).toContainEqual(expect.stringMatching(/^good messages: \d+ sent/));
		expect(code).toBe(0);
	},
	300_000,
);
