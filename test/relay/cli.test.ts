import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RELAY_COMMAND, RelayRig } from "./rig.ts";

const folder = mkdtempSync(join(tmpdir(), "standpipe-cli-"));
afterAll(() => rmSync(folder, { recursive: true }));

const [program = "", ...rest] = RELAY_COMMAND;
const ENTRY = rest.slice(0, -1);

async function run(args: string[], env: Record<string, string> = {}) {
	const child = Bun.spawn([program, ...ENTRY, ...args], {
		cwd: folder,
		env: { ...process.env, ...env },
		stdout: "pipe",
		stderr: "pipe",
	});
	const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
	return { code: child.exitCode, out, err };
}

describe("the command line", () => {
	test("--help names every setting, --version the version", async () => {
		const { code, out } = await run(["--help"]);
		expect(code).toBe(0);
		expect(out).toContain("RELAY_REPLAY_WINDOW");
		expect(await run(["--version"])).toMatchObject({ code: 0, out: "0.1.0\n" });
	});

	test("all faults of the settings are told at once, with what is accepted, and nothing is started", async () => {
		const { code, err } = await run(["serve", "--sync-mode", "sometimes"], {
			RELAY_API_BIND: "nowhere",
			RELAY_REPLAY_WINDOW: "soon",
		});
		expect(code).toBe(2);
		expect(err).toMatch(/--sync-mode.*"sometimes".*`always` or `write`/);
		expect(err).toMatch(/RELAY_API_BIND.*"nowhere"/);
		expect(err).toMatch(/RELAY_REPLAY_WINDOW.*"soon".*72h/);
	});

	test("an unknown command is an error", async () => {
		expect(await run(["server"])).toMatchObject({ code: 2, err: expect.stringContaining('no command "server"') });
	});

	test("a log that another process writes to is refused, loudly", async () => {
		const rig = await RelayRig.start({ seed: "cli", hosts: 1, accounts: 1 });
		const { code, err } = await run(["serve"], {
			RELAY_API_BIND: "127.0.0.1:0",
			RELAY_METRICS_LISTEN: "127.0.0.1:0",
			RELAY_PERSIST_DIR: join(rig.relay.logPath, "..", "log"),
			DATABASE_URL: `sqlite://${join(folder, "other.sqlite")}`,
		});
		await rig.stop();
		expect(code).toBe(1);
		expect(err).toMatch(/^standpipe: log failed: the log in .* is in use by another relay/);
	}, 300_000);

	test("a port that is taken ends the start with its name", async () => {
		const taken = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: () => undefined } });
		const { code, err } = await run(["serve"], {
			RELAY_API_BIND: "127.0.0.1:0",
			RELAY_METRICS_LISTEN: `127.0.0.1:${taken.port}`,
			RELAY_PERSIST_DIR: join(folder, "log"),
			DATABASE_URL: `sqlite://${join(folder, "index.sqlite")}`,
		});
		taken.stop(true);
		expect(code).toBe(1);
		expect(err).toContain(String(taken.port));
	}, 300_000);
});
