import { expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SegmentPart } from "../../src/log/local/examine/inspect.ts";
import { RELAY_COMMAND, RelayRig, until } from "./rig.ts";

const [program = "", ...rest] = RELAY_COMMAND;
const INSPECT = [program, ...rest.slice(0, -1), "log", "inspect"];

async function inspect(...args: string[]): Promise<{ code: number; out: string; err: string }> {
	const child = Bun.spawn([...INSPECT, ...args], { stdout: "pipe", stderr: "pipe" });
	const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
	return { code, out, err };
}

function parts(out: string): SegmentPart[] {
	return out
		.trimEnd()
		.split("\n")
		.map((line): SegmentPart => JSON.parse(line));
}

function segmentsOf(directory: string): string[] {
	return readdirSync(directory)
		.filter((name) => name.endsWith(".seg"))
		.sort()
		.map((name) => join(directory, name));
}

test("a segment is shown while the relay writes to it, and after it was torn, and is not changed", async () => {
	const rig = await RelayRig.start({ seed: "inspect", hosts: 1, accounts: 3 });
	const { network, relay } = rig;
	try {
		for (const account of network.accounts) network.send(account, await account.commit());
		for (const { did } of network.accounts) await until(() => rig.received(did).length >= rig.expected(did).length);
		const [path = ""] = segmentsOf(relay.logDirectory);
		const { code, out, err } = await inspect(path, "--json");
		expect({ code, err }).toEqual({ code: 0, err: "" });
		const records = parts(out).filter((part) => part.part === "record");
		const said = records.filter(({ kind }) => kind === "commit").map(({ says }) => says);
		expect(said.sort()).toEqual(network.accounts.map(({ did }) => did).sort());
		const [host] = network.hosts;
		expect(records.filter(({ kind }) => kind === "host").at(-1)?.says).toMatchObject({ hostname: host?.hostname });

		expect(await relay.stop()).toBe(0);
		const bytes = statSync(path).size;
		const text = await inspect(path);
		expect(text.code).toBe(0);
		for (const { did } of network.accounts) expect(text.out).toContain(` ${did}\n`);
		truncateSync(path, bytes - 3);
		const torn = parts((await inspect("--json", path)).out);
		expect(torn.at(-1)).toMatchObject({ part: "end", footer: null });
		expect(statSync(path).size).toBe(bytes - 3);
	} finally {
		await rig.stop();
	}
}, 300_000);

test("a file that is no segment, or does not exist, gets a sentence and code 1; a mistyped command gets code 2", async () => {
	const folder = mkdtempSync(join(tmpdir(), "standpipe-inspect-"));
	try {
		const text = join(folder, "text");
		writeFileSync(text, "no segment\n".repeat(1_000));
		for (const [path, reason] of [
			[text, "is no segment of a log"],
			[join(folder, "absent"), "can't be opened"],
			[folder, "can't be "],
		] as const) {
			const { code, out, err } = await inspect(path);
			expect({ code, out }).toEqual({ code: 1, out: "" });
			expect(err).toStartWith(`${path} ${reason}`);
			expect(err.trimEnd().split("\n")).toHaveLength(1);
		}
		for (const args of [[], ["a", "b"], ["--jsom", "a"]]) {
			const { code, out, err } = await inspect(...args);
			expect({ code, out }).toEqual({ code: 2, out: "" });
			expect(err).toStartWith("error: ");
		}
		expect(existsSync(join(folder, "absent"))).toBe(false);
	} finally {
		rmSync(folder, { recursive: true });
	}
});
