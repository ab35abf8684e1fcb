import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { run as runCommand } from "../../src/cli/program.ts";
import { CHECK_NAMES } from "../../src/peer/check/table.ts";
import { FakeRelay } from "../peer/fake-relay.ts";

const relay = new FakeRelay();
let lines: string[];
let statuses: string[];
let complaints: string[];
let isTerminal = false;

beforeAll(() => relay.start("command"));
afterAll(() => relay.stop());
beforeEach(() => {
	relay.fault = {};
	lines = [];
	statuses = [];
	complaints = [];
	isTerminal = false;
});

function run(...args: string[]): Promise<number | null> {
	return runCommand(["check", ...args], {
		env: {},
		output: { line: (text) => lines.push(text) > 0, status: (text) => void statuses.push(text), isTerminal },
		complain: (text) => void complaints.push(text),
	});
}

const checkFast = (...args: string[]): Promise<number | null> =>
	run("--rate", "1000", "--limit", "2", "--seconds", "240", relay.url, ...args);

describe("the command check", () => {
	test("prints a line for each check and a summary, and exits with 0 if all is right", async () => {
		expect(await checkFast()).toBe(0);
		expect(lines).toHaveLength(CHECK_NAMES.length + 1);
		expect(lines.map((line) => line.split(/ +/).slice(0, 2))).toEqual([
			...CHECK_NAMES.map((name) => ["pass", name]),
			[`${CHECK_NAMES.length}`, "passed,"],
		]);
		expect(statuses).toEqual([]);
	});

	test("exits with 1 if a rule is broken that must be kept, and says which", async () => {
		relay.fault = { plan: (cursor, right) => (cursor === "1" ? { ...right, first: [] } : right) };
		expect(await checkFast()).toBe(1);
		const at = lines.findIndex((line) => line.startsWith("FAIL  stream-outdated-cursor"));
		expect(lines[at + 1]).toMatch(/^ {6}must: .+ \(lexicon: .+\)$/);
		expect(lines.at(-1)).toContain("1 failed, of which 1 with severity must");
	});

	test("exits with 0 if only a rule is broken that should be kept", async () => {
		relay.fault = { streamServer: "nginx" };
		expect(await checkFast()).toBe(0);
		expect(lines.at(-1)).toContain("1 failed, of which 0 with severity must");
	});

	test("prints JSON with --json, in which nothing is left that a terminal obeys", async () => {
		relay.fault = {
			answer: ({ what }, right) =>
				what === "GET getHostStatus" ? Response.json({ hostname: "\u001b[31m\u202e" }, { status: 200 }) : right,
		};
		expect(await checkFast("--json")).toBe(1);
		expect(lines.join("")).toMatch(/^[ -~]+$/);
		const parts = lines.map((line) => JSON.parse(line));
		expect(parts.map(({ name }) => name)).toEqual([...CHECK_NAMES, undefined]);
		expect(parts.at(-1)).toMatchObject({ part: "done", relay: relay.url, fail: 3, failedMust: 3, skip: 0 });
		lines = [];
		expect(await checkFast()).toBe(1);
		expect(lines.join("")).not.toMatch(/[\p{Cc}\u202e]/u);
	});

	test("shows on a terminal which check is made", async () => {
		isTerminal = true;
		expect(await checkFast()).toBe(0);
		expect(statuses).toEqual(CHECK_NAMES.map((name, at) => `${at + 1}/${CHECK_NAMES.length} ${name}`));
	});

	test.each([
		["no relay", []],
		["two relays", ["https://a.example.com", "https://b.example.com"]],
		["no URL", ["relay.example.com"]],
		["a path", ["https://relay.example.com/xrpc"]],
		["no time", ["--seconds", "0", "https://relay.example.com"]],
		["too many rows", ["--limit", "1001", "https://relay.example.com"]],
		["a rate that is no number", ["--rate", "fast", "https://relay.example.com"]],
	])("is refused with %s", async (_, args) => {
		expect(await run(...args)).toBe(2);
		expect(complaints).not.toEqual([]);
		expect(lines).toEqual([]);
	});

	test("exits with 2 if the relay does not answer", async () => {
		expect(await run("http://127.0.0.1:1")).toBe(2);
		expect(complaints[0]).toContain("refused");
	});
});
