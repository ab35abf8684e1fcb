import { afterAll, describe, expect, onTestFinished, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RELAY_COMMAND } from "./rig.ts";

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
		const { code, out } = await run(["serve", "--help"]);
		expect(code).toBe(0);
		expect(out).toContain("RELAY_REPLAY_WINDOW");
		expect(await run(["--version"])).toMatchObject({ code: 0, out: "0.1.0\n" });
	});

	test("all faults of the settings are reported at once, with what is accepted, and nothing is started", async () => {
		const { code, err } = await run(["serve", "--sync-mode", "sometimes"], {
			RELAY_API_BIND: "nowhere",
			RELAY_REPLAY_WINDOW: "soon",
		});
		expect(code).toBe(2);
		expect(err).toMatch(/--sync-mode.*"sometimes".*`always` or `write`/);
		expect(err).toMatch(/RELAY_API_BIND.*"nowhere"/);
		expect(err).toMatch(/RELAY_REPLAY_WINDOW.*"soon".*72h/);
	});

	test("a mistyped command or flag gets one line with the nearest one that exists, and nothing is started", async () => {
		for (const [args, lines] of [
			[["server"], ["error: unknown command 'server'", "(Did you mean serve?)"]],
			[
				["hosts", "pul"],
				["error: unknown command 'pul'", "(Did you mean pull?)"],
			],
			[["crawl", "--bind", ":1"], ["error: unknown command 'crawl'"]],
		] as const) {
			const { code, out, err } = await run([...args]);
			expect({ code, out }).toEqual({ code: 2, out: "" });
			expect(err.split("\n").slice(0, lines.length)).toEqual([...lines]);
		}
		const { code, out, err } = await run(["--persist-dri", "x", "--bind"]);
		expect({ code, out }).toEqual({ code: 2, out: "" });
		expect(err.trimEnd().split("\n").slice(1)).toEqual([
			"  --persist-dri: there is no such flag; did you mean --persist-dir? `standpipe serve --help` lists them",
			"  --bind: its value is missing; expected `:PORT` for all addresses of both families, or `ADDRESS:PORT`, with an IPv6 address in brackets",
		]);
	});

	test("health tells by its exit code how the relay of these settings is", async () => {
		let status = 200;
		const server = Bun.serve({
			hostname: "127.0.0.1",
			port: 0,
			fetch: () => Response.json({ message: "the index can't be read" }, { status }),
		});
		onTestFinished(() => server.stop(true));
		const listen = `127.0.0.1:${server.port}`;
		expect(await run(["health"], { RELAY_METRICS_LISTEN: listen })).toEqual({ code: 0, out: "ok\n", err: "" });
		status = 503;
		const out = `http://${listen}/_readyz answers 503: the index can't be read\n`;
		expect(await run(["health", "--metrics-listen", listen])).toEqual({ code: 1, out, err: "" });
		server.stop(true);
		expect(await run(["health"], { RELAY_METRICS_LISTEN: listen })).toMatchObject({ code: 1, err: "" });
		expect(await run(["health", "--metrics-listen", "nowhere"])).toMatchObject({ code: 2, out: "" });
	});

	test("a switch may have its value after it", async () => {
		const { code, err } = await run(["--allow-insecure-hosts", "true", "--trust-proxy", "--sync-mode", "never"]);
		expect(code).toBe(2);
		expect(err.trimEnd().split("\n")).toEqual([
			"The configuration is not valid:",
			'  --sync-mode: "never" is not valid; expected `always` or `write`',
		]);
	});
});
