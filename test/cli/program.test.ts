import { beforeEach, describe, expect, test } from "bun:test";
import { run as runCommand } from "../../src/cli/program.ts";
import { Rng } from "../../src/sim/rng.ts";

let lines: string[];
let complaints: string[];

beforeEach(() => {
	lines = [];
	complaints = [];
});

function run(...args: string[]): Promise<number | null> {
	return runCommand(args, {
		env: {},
		output: { line: (text) => lines.push(text) > 0, status: () => {}, isTerminal: false },
		complain: (text) => void complaints.push(text),
	});
}

/** The commands that a help text lists, but `help` itself. */
async function commandsOf(...words: string[]): Promise<string[]> {
	lines = [];
	expect(await run(...words, "--help")).toBe(0);
	const [, list = ""] = lines.join("\n").split("Commands:\n");
	return [...list.matchAll(/^ {2}([a-z-]+)/gm)].map(([, name]) => name ?? "").filter((name) => name !== "help");
}

describe("the command line", () => {
	test("each command and what is below it has a help text with its own usage, and nothing is done", async () => {
		const pending = (await commandsOf()).map((name) => [name]);
		expect(pending.length).toBeGreaterThan(5);
		for (let words = pending.shift(); words !== undefined; words = pending.shift()) {
			const path = words;
			pending.push(...(await commandsOf(...path)).map((name) => [...path, name]));
			expect(lines.join("\n")).toStartWith(`Usage: standpipe ${path.join(" ")}`);
		}
		expect(complaints).toEqual([]);
	});

	test("a mistyped word gets code 2 and complaints, and nothing on standard output", async () => {
		const rng = new Rng("mistyped words");
		for (let round = 0; round < 200; round++) {
			const [command = ""] = rng.pick([["why"], ["hosts"], ["log"], ["index"], ["completion"]]);
			const at = rng.int(command.length);
			const mistyped = `${command.slice(0, at)}q${command.slice(at + rng.int(2))}`;
			complaints = [];
			lines = [];
			expect([mistyped, await run(mistyped, "x")]).toEqual([mistyped, 2]);
			expect(complaints.join("\n")).toContain(`unknown command '${mistyped}'`);
			expect(lines).toEqual([]);
		}
	});

	test.each([
		["check", "URL"],
		["compare", "URL"],
		["hosts pull", "URL"],
		["hosts list --relay", "--relay"],
		["why did:web:a.example --relay", "--relay"],
	])("%s does not show a URL that is wrong, since it may have a secret in it", async (words, name) => {
		for (const url of ["https://a.example/?token=secret", "https://secret@a.example", "ftp://a.example/secret"]) {
			complaints = [];
			expect(await run(...words.split(" "), url)).toBe(2);
			expect(complaints).toEqual([`${name}: expected an http:// or https:// URL without path or query`]);
		}
	});

	test.each(["bash", "zsh", "fish"])("prints completions for %s", async (shell) => {
		const printed: string[] = [];
		const log = console.log;
		console.log = (text: string) => void printed.push(text);
		try {
			expect(await run("completion", shell)).toBe(0);
		} finally {
			console.log = log;
		}
		expect(printed.join("\n")).toContain("standpipe");
		expect(await run("completion", "tcsh")).toBe(2);
	});

	test("a relay's words reach the terminal without what it obeys, in one line", async () => {
		const words = "\u001b]0;mine\u0007\nall is well\u202e";
		const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response(words, { status: 400 }) });
		try {
			const relay = ["--relay", server.url.origin, "--password-file", import.meta.path];
			for (const args of [["list"], ["add", "a.example.com"]]) {
				complaints = [];
				expect(await run("hosts", ...args, ...relay)).toBe(1);
				expect(complaints).toEqual([
					`the relay at ${server.url.origin} answers HTTP 400: \uFFFD]0;mine\uFFFD\uFFFDall is well\uFFFD`,
				]);
			}
		} finally {
			await server.stop(true);
		}
	});
});
