import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
	closeSync,
	existsSync,
	mkdtempSync,
	openSync,
	readdirSync,
	readFileSync,
	rmSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fromUint8Array } from "@atcute/car";
import { toString as cidText } from "@atcute/cid";
import { RELAY_COMMAND, RelayRig, until } from "./rig.ts";

const [program = "", ...rest] = RELAY_COMMAND;
const LOG = [program, ...rest.slice(0, -1), "log"];

async function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
	const child = Bun.spawn([...LOG, ...args], { stdout: "pipe", stderr: "pipe" });
	const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
	return { code, out, err };
}

interface Line {
	seq: number;
	did: string;
	hostname: string;
	type: string;
	message: { seq: number; repo: string; rev: string; blocks: { $bytes: string }; commit: { $link: string } };
}

function linesOf(out: string): Line[] {
	return out
		.trimEnd()
		.split("\n")
		.map((line) => JSON.parse(line));
}

const COMMITS = 5;

describe("the commands that read a log while a relay writes to it", () => {
	let rig: RelayRig;
	const folder = mkdtempSync(join(tmpdir(), "standpipe-log-commands-"));
	beforeAll(async () => {
		rig = await RelayRig.start({ seed: "log commands", hosts: 2, accounts: 4 });
		const { network } = rig;
		for (let round = 0; round < COMMITS; round++)
			for (const account of network.accounts) network.send(account, await account.commit());
		for (const { did } of network.accounts) await until(() => rig.received(did).length >= rig.expected(did).length);
	}, 300_000);
	afterAll(async () => {
		await rig.stop();
		rmSync(folder, { recursive: true });
	});

	test("verify finds it sound, and counts what is in it", async () => {
		const { code, out, err } = await run("verify", rig.relay.logDirectory, "--json");
		expect({ code, err }).toEqual({ code: 0, err: "" });
		const summary = JSON.parse(out.trimEnd().split("\n").at(-1) ?? "");
		expect(summary).toMatchObject({ part: "done", faults: 0, segments: 1, firstSeq: 1 });
		expect(summary.messages).toBeGreaterThanOrEqual(COMMITS * rig.network.accounts.length);
		expect((await run("verify", rig.relay.logDirectory)).out).toEndWith("all is sound\n");
	});

	test("export gives the messages that consumers got, of all accounts or of one, and of a range of seqs", async () => {
		const all = linesOf((await run("export", rig.relay.logDirectory)).out);
		const commits = all.filter(({ type }) => type === "#commit");
		for (const account of rig.network.accounts) {
			const { did } = account;
			const revs = commits.filter((line) => line.did === did).map(({ message }) => message.rev);
			expect(revs).toEqual(rig.received(did).map((text) => text.split(" ")[1] ?? ""));
			const { out, err, code } = await run("export", rig.relay.logDirectory, "--did", did);
			expect(code).toBe(0);
			expect(linesOf(out)).toEqual(all.filter((line) => line.did === did));
			expect(err).toBe(`${linesOf(out).length} messages\n`);
			expect(new Set(linesOf(out).map(({ hostname }) => hostname))).toEqual(
				new Set([rig.network.hostOf(account).hostname]),
			);
		}
		expect(all.map(({ seq }) => seq)).toEqual(all.map(({ message }) => message.seq));
		const [from, to] = [all[2]?.seq ?? 0, all[6]?.seq ?? 0];
		const range = await run("export", rig.relay.logDirectory, "--from", String(from), "--to", String(to));
		expect(linesOf(range.out)).toEqual(all.slice(2, 7));
	});

	test("export writes a CAR with the commits as its roots and the blocks of all messages, and overwrites no file", async () => {
		const path = join(folder, "range.car");
		const command = ["export", rig.relay.logDirectory, "--format", "car", "--out", path];
		expect(await run(...command)).toMatchObject({ code: 0, out: "" });
		const commits = linesOf((await run("export", rig.relay.logDirectory)).out).filter(({ type }) => type === "#commit");
		const car = fromUint8Array(readFileSync(path));
		expect(car.roots.map(({ $link }) => $link)).toEqual(commits.map(({ message }) => message.commit.$link));
		const blocks = commits.flatMap(({ message }) => [
			...fromUint8Array(Uint8Array.fromBase64(message.blocks.$bytes, { lastChunkHandling: "loose" })),
		]);
		const shown = (entries: Iterable<(typeof blocks)[number]>): string[] => [...entries].map(({ cid }) => cidText(cid));
		expect(shown(car)).toEqual(shown(blocks));
		const before = readFileSync(path);
		const again = await run(...command);
		expect({ code: again.code, out: again.out }).toEqual({ code: 1, out: "" });
		expect(readFileSync(path).equals(before)).toBe(true);
	});

	test("a mistake gets code 2, and a folder that can't be read code 1, and no file is made", async () => {
		const path = join(folder, "none.car");
		for (const args of [
			["--format", "car"],
			["--from", "x"],
			["--did", "alice"],
			["--format", "zip"],
			["a", "b"],
		])
			expect(await run("export", ...args)).toMatchObject({ code: 2, out: "" });
		const absent = join(folder, "absent");
		const empty = mkdtempSync(join(folder, "empty-"));
		for (const directory of [absent, empty])
			for (const args of [
				["verify"],
				["export"],
				["export", "--out", path],
				["export", "--format", "car", "--out", path],
			])
				expect(await run(...args, directory)).toMatchObject({
					code: 1,
					out: "",
					err: expect.stringMatching(new RegExp(`^the log in ${directory} can't be read: .+\n$`)),
				});
		expect(existsSync(path)).toBe(false);
	});

	test("an output that takes nothing gets code 1 and a sentence that does not blame the log", async () => {
		const [segment = ""] = readdirSync(rig.relay.logDirectory).filter((file) => file.endsWith(".seg"));
		for (const args of [
			["verify", rig.relay.logDirectory],
			["export", rig.relay.logDirectory],
			["inspect", join(rig.relay.logDirectory, segment)],
		]) {
			const full = openSync("/dev/full", "w");
			const child = Bun.spawn([...LOG, ...args], { stdout: full, stderr: "pipe" });
			closeSync(full);
			const [err, code] = await Promise.all([child.stderr.text(), child.exited]);
			expect({ code, err }).toEqual({
				code: 1,
				err: expect.stringMatching(/^the output can't be written: ENOSPC[^\n]*\n$/),
			});
		}
	});

	test("verify names what is damaged, and ends with 1", async () => {
		expect(await rig.relay.stop()).toBe(0);
		const [name = ""] = readdirSync(rig.relay.logDirectory).filter((file) => file.endsWith(".seg"));
		const path = join(rig.relay.logDirectory, name);
		const bytes = readFileSync(path);
		const middle = Math.floor(bytes.length / 2);
		bytes[middle] = (bytes[middle] ?? 0) ^ 1;
		writeFileSync(path, bytes);
		const { code, out } = await run("verify", rig.relay.logDirectory);
		expect(code).toBe(1);
		expect(out).toMatch(new RegExp(`^records-damaged: ${name}: bytes \\d+ to \\d+: .+\n`));
		expect((await run("export", rig.relay.logDirectory)).code).toBe(1);
	});
});
