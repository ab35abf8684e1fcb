import { describe, expect, onTestFinished, test } from "bun:test";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { loadConfig } from "../../src/config/settings.ts";
import { programPath, skipWithout } from "./programs.ts";

const UNIT = resolve(import.meta.dir, "..", "..", "deploy", "systemd", "standpipe.service");
/** Of 10. systemd itself calls this "OK". */
const EXPOSURE_MAX = 2;

const skipped = skipWithout("systemd-analyze");

/** The values of a directive, in order. */
function valuesOf(directive: string): string[] {
	return readFileSync(UNIT, "utf8")
		.split("\n")
		.filter((line) => line.startsWith(`${directive}=`))
		.map((line) => line.slice(directive.length + 1));
}

/** A root folder in which the unit is installed, with the units that systemd itself brings. */
function installed(): string {
	const root = mkdtempSync(join(tmpdir(), "standpipe-systemd-"));
	onTestFinished(() => rmSync(root, { recursive: true }));
	for (const folder of ["usr/local/bin", "etc/systemd/system", "usr/lib/systemd"])
		mkdirSync(join(root, folder), { recursive: true });
	writeFileSync(join(root, "usr/local/bin/standpipe"), "#!/bin/sh\n", { mode: 0o755 });
	cpSync(UNIT, join(root, "etc/systemd/system/standpipe.service"));
	cpSync("/lib/systemd/system", join(root, "usr/lib/systemd/system"), { recursive: true, verbatimSymlinks: true });
	return root;
}

function analyze(...args: string[]): { code: number; out: string } {
	const { exitCode, stdout, stderr } = Bun.spawnSync([programPath("systemd-analyze"), ...args]);
	return { code: exitCode, out: `${stdout}${stderr}` };
}

describe("the unit of systemd", () => {
	test.skipIf(skipped !== null)(`has no mistake that systemd finds${skipped === null ? "" : ` (${skipped})`}`, () => {
		const { code, out } = analyze("verify", `--root=${installed()}`, "standpipe.service");
		expect(out.split("\n").filter((line) => line.includes("standpipe"))).toEqual([]);
		expect(code).toBe(0);
	});

	test.skipIf(skipped !== null)(
		`has an exposure of at most ${EXPOSURE_MAX}${skipped === null ? "" : ` (${skipped})`}`,
		() => {
			const threshold = `--threshold=${10 * EXPOSURE_MAX}`;
			const { code, out } = analyze(
				"security",
				"--offline=true",
				threshold,
				`--root=${installed()}`,
				"standpipe.service",
			);
			expect(out).toContain("Overall exposure level for standpipe.service");
			expect(code).toBe(0);
		},
	);

	test("stops later than the relay gives up its drain, and grants what the runtime needs", () => {
		const { config } = loadConfig([], {}, { cores: 4 });
		expect(1000 * Number(valuesOf("TimeoutStopSec"))).toBeGreaterThan(config.drainTimeoutMs);
		// JavaScript is compiled at run time, and the verification engine is unpacked below /tmp.
		expect(valuesOf("MemoryDenyWriteExecute")).toEqual([]);
		expect(valuesOf("PrivateTmp")).toEqual(["yes"]);
		expect(valuesOf("NoExecPaths")).toEqual([]);
		expect(Number(valuesOf("LimitNOFILE"))).toBeGreaterThanOrEqual(100_000);
	});

	test("gives the admin password under the name by which the relay looks for it", () => {
		const [credential = ""] = valuesOf("LoadCredential");
		const [name = ""] = credential.split(":");
		const folder = mkdtempSync(join(tmpdir(), "standpipe-credentials-"));
		onTestFinished(() => rmSync(folder, { recursive: true }));
		writeFileSync(join(folder, name), "of the unit\n");
		const { config } = loadConfig([], { CREDENTIALS_DIRECTORY: folder }, { cores: 4 });
		expect(config.adminPasswords).toEqual(["of the unit"]);
	});
});
