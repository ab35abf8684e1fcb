import { expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../../src/cli/program.ts";

async function bench(...args: string[]): Promise<{ code: number | null; lines: string[]; complaints: string[] }> {
	const [lines, complaints]: string[][] = [[], []];
	const code = await run(["bench", ...args], {
		env: {},
		output: { line: (text) => (lines?.push(text) ?? 0) > 0, status: () => {}, isTerminal: false },
		complain: (text) => void complaints?.push(text),
	});
	return { code, lines: lines ?? [], complaints: complaints ?? [] };
}

test("the bench of a machine tells what a sync takes, and what each engine takes for a commit, and leaves nothing", async () => {
	const folder = mkdtempSync(join(tmpdir(), "standpipe-machine-"));
	try {
		const { code, lines, complaints } = await bench("--folder", folder, "--json");
		expect({ code, complaints }).toEqual({ code: 0, complaints: [] });
		const [sync, ...engines] = lines.map((line) => JSON.parse(line));
		expect(sync).toMatchObject({ part: "sync", folder, bytes: 32_768 });
		expect(sync.p99Ms).toBeGreaterThanOrEqual(sync.p50Ms);
		expect(sync.p50Ms).toBeGreaterThan(0);
		expect(engines.map(({ engine }) => engine)).toEqual(["native", "portable"]);
		for (const { us, fault } of engines) expect(us === null ? fault : us > 0).toBeTruthy();
		expect(engines[1].us).toBeGreaterThan(0);
		expect(readdirSync(folder)).toEqual([]);
	} finally {
		rmSync(folder, { recursive: true });
	}
});

test("a folder that can't be written is named, with code 1", async () => {
	const { code, lines, complaints } = await bench("--folder", "/nowhere/at/all");
	expect({ code, lines }).toEqual({ code: 1, lines: [] });
	expect(complaints[0]).toStartWith("--folder: ");
});
