import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { type CompareOptions, compare } from "../../src/cli/compare.ts";
import { run as runCommand } from "../../src/cli/program.ts";
import type { SimMessage } from "../../src/sim/message.ts";
import { SimNetwork } from "../../src/sim/network.ts";
import { nextMessages } from "../../src/sim/traffic.ts";
import { FakeFirehose } from "../peer/fake-firehose.ts";
import { FakeTiming } from "../sim/fake-timing.ts";

const OPTIONS: CompareOptions = { seconds: 60, grace: 10, remember: 10_000, json: true };
const ACCOUNTS = 30;

let lines: string[];
let statuses: string[];
let complaints: string[];
let code: number | null;
let timing: FakeTiming;
let all: FakeFirehose;
let some: FakeFirehose;

beforeEach(() => {
	[lines, statuses, complaints, code] = [[], [], [], 0];
	timing = new FakeTiming();
	[all, some] = [new FakeFirehose(), new FakeFirehose()];
	for (const firehose of [all, some]) firehose.start();
});
afterEach(async () => {
	for (const firehose of [all, some]) await firehose.stop();
});

function start(options: Partial<CompareOptions> = {}, isTerminal = false): Promise<void> {
	const output = {
		line: (text: string) => lines.push(text) > 0,
		status: (text: string) => void statuses.push(text),
		isTerminal,
	};
	const context = { output, exitWith: (wanted: number | null) => (code = wanted) };
	return compare(context, [all.url, some.url], { ...OPTIONS, ...options }, timing);
}

async function taken(): Promise<void> {
	await Promise.all([all.taken(), some.taken()]);
}

/** Messages of some accounts, in a generated order. */
async function messages(seed: string): Promise<SimMessage[]> {
	const network = new SimNetwork({ seed, hosts: 1, accounts: 0 });
	for (let at = 0; at < ACCOUNTS; at++) await network.addAccount();
	const made: SimMessage[] = [];
	for (let round = 0; round < 4; round++)
		for (const account of network.rng.shuffled(network.accounts)) made.push(...(await nextMessages(account)));
	return made;
}

describe("the command compare", () => {
	test("finds exactly the accounts that one of two relays drops, every tenth", async () => {
		const sent = await messages("every tenth");
		const dids = [...new Set(sent.map(({ did }) => did))];
		const dropped = new Set(dids.filter((_, at) => at % 10 === 0));
		const done = start();
		await taken();
		timing.pass(20_000);
		for (const message of sent) {
			all.emit(message);
			if (!dropped.has(message.did)) some.emit(message);
		}
		await taken();
		timing.pass(40_000);
		await done;
		const parts = lines.map((line) => JSON.parse(line)).filter(({ part }) => part !== "progress");
		const missing = parts.filter(({ part }) => part === "missing");
		const lost = sent.filter(({ did }) => dropped.has(did));
		expect(new Set(missing.map(({ did }) => did))).toEqual(dropped);
		expect(new Set(missing.map(({ relay }) => relay))).toEqual(new Set([some.url]));
		expect(missing.map(({ type, did, rev }) => `${type} ${did} ${rev}`).sort()).toEqual(
			lost.map(({ type, did, rev }) => `${type} ${did} ${rev}`).sort(),
		);
		const [first, second] = parts.filter(({ part }) => part === "relay");
		expect(first).toMatchObject({ relay: all.url, events: sent.length, dids: ACCOUNTS, missing: 0, duplicates: 0 });
		expect(second).toMatchObject({
			events: sent.length - lost.length,
			dids: ACCOUNTS - dropped.size,
			missing: lost.length,
		});
		const commits = sent.filter(({ type }) => type === "commit").length;
		expect(first.byType.commit).toBe(commits);
		const matched = sent.length - lost.length;
		expect(parts.at(-1)).toMatchObject({
			part: "done",
			matched,
			lacking: lost.length,
			unjudged: 0,
			comparedMs: 60_000,
		});
		expect(code).toBe(1);
	});

	test("takes a lag for no loss, nor what comes near to the start and the end", async () => {
		const sent = await messages("lags");
		const part = (from: number, to: number): SimMessage[] => sent.slice(from, to);
		const done = start();
		await taken();
		for (const message of part(0, 20)) some.emit(message);
		await taken();
		timing.pass(15_000);
		for (const message of part(20, 60)) all.emit(message);
		await taken();
		timing.pass(5_000);
		for (const message of part(20, 60)) some.emit(message);
		await taken();
		timing.pass(35_000);
		for (const message of part(60, 70)) all.emit(message);
		await taken();
		timing.pass(5_000);
		await done;
		expect(code).toBe(0);
		const parts = lines.map((line) => JSON.parse(line));
		expect(parts.at(-1)).toMatchObject({ matched: 40, lacking: 0, unjudged: 30 });
		expect(parts.filter(({ part }) => part === "relay").map(({ lagMs }) => lagMs)).toEqual([
			{ p50: 0, p99: 0 },
			{ p50: 5_000, p99: 5_000 },
		]);
	});

	test("counts repeats, wrong order and what can't be read, of the relay that sent it", async () => {
		const [message] = await messages("faults");
		if (message === undefined) throw new Error("there is no message");
		const done = start({ json: false });
		await taken();
		timing.pass(20_000);
		for (const firehose of [all, some]) firehose.emit(message);
		some.emit(message, 1);
		some.send(Uint8Array.of(1, 2, 3));
		some.send("text");
		await taken();
		timing.pass(40_000);
		await done;
		expect(code).toBe(0);
		expect(lines[2]).toBe("  missing 0, repeated 0, out of order 0, unreadable 0");
		expect(lines[5]).toBe("  missing 0, repeated 1, out of order 1, unreadable 2");
	});

	test("shows on a terminal how far it is, and names the accounts that one lacks", async () => {
		const sent = await messages("terminal");
		const done = start({ json: false }, true);
		await taken();
		timing.pass(20_000);
		for (const message of sent) all.emit(message);
		await taken();
		timing.pass(40_000);
		await done;
		expect(code).toBe(1);
		expect(statuses.at(-1)).toMatch(/^(59|60)\/60 s, messages: \d+, 0$/);
		expect(lines.filter((line) => line.startsWith("    lacks "))).toHaveLength(10);
		expect(lines.join("\n")).toContain(`and some of ${ACCOUNTS - 10} other accounts`);
	});

	test("exits with 2 if a connection ends, and tells what was found until then", async () => {
		const done = start({ json: false });
		await taken();
		timing.pass(20_000);
		some.close();
		await done;
		expect(code).toBe(2);
		expect(lines.at(-1)).toBe(`${some.url} can't be read: closed with 1001 going away`);
	});

	test("exits with 2 if no message came that could be compared", async () => {
		const done = start();
		await taken();
		timing.pass(60_000);
		await done;
		expect(code).toBe(2);
	});
});

describe("the command line of compare", () => {
	const run = (...args: string[]): Promise<number | null> =>
		runCommand(["compare", ...args], {
			env: {},
			output: { line: (text) => lines.push(text) > 0, status: () => {}, isTerminal: false },
			complain: (text) => void complaints.push(text),
		});

	const RELAYS = ["https://a.example.com", "https://b.example.com"];
	test.each([
		["one relay", ["https://a.example.com"]],
		["nine relays", Array.from({ length: 9 }, () => "https://a.example.com")],
		["a relay that is no URL", ["https://a.example.com", "b"]],
		["a grace that leaves no time", ["--seconds", "20", ...RELAYS]],
		["nothing to remember", ["--remember", "0", ...RELAYS]],
	])("is refused with %s", async (_, args) => {
		expect(await run(...args)).toBe(2);
		expect(complaints).not.toEqual([]);
		expect(lines).toEqual([]);
	});

	test("exits with 2 if a relay does not answer", async () => {
		expect(await run(all.url, "http://127.0.0.1:1")).toBe(2);
		expect(lines.at(-1)).toContain("http://127.0.0.1:1 can't be read: ");
	});
});
