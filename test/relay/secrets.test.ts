import { afterAll, describe, expect, onTestFinished, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RelayProcess } from "../../src/sim/relay-process.ts";
import { Rng } from "../../src/sim/rng.ts";
import { RELAY_COMMAND, until } from "./rig.ts";

const directory = mkdtempSync(join(tmpdir(), "standpipe-secrets-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const rng = new Rng("secrets of the relay");

/** A secret as odd as people and password managers make them, which no other text has. */
function anySecret(odd: string): string {
	return `q7${rng.text(6 + rng.int(20), `abcXYZ019${odd}`)}7Q`;
}

/** How a secret may show in an output. */
function formsOf(secret: string): string[] {
	const base64 = btoa(secret).replace(/=+$/, "");
	return [secret, encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1), base64];
}

function expectHidden(output: string, secrets: readonly string[]): void {
	for (const secret of secrets)
		for (const form of formsOf(secret)) if (output.includes(form)) throw new Error(`${form} is shown: ${output}`);
}

/** What a command of the relay prints. */
async function outputOf(args: string[], env: Record<string, string>): Promise<string> {
	const child = Bun.spawn([...RELAY_COMMAND.slice(0, -1), ...args], {
		stdout: "pipe",
		stderr: "pipe",
		env: { PATH: process.env["PATH"] ?? "", ...env },
	});
	const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
	await child.exited;
	expect(out + err).not.toBe("");
	return out + err;
}

describe("no secret is shown", () => {
	test("by a relay that waits for its database, by what it answers, and by the report of its crash", async () => {
		const passwords = [anySecret("!?\"'\\{}$ "), anySecret("#=;:<>"), anySecret(",")];
		const databasePassword = anySecret("%/@#?& é+");
		const url = `postgres://relay:${encodeURIComponent(databasePassword)}@127.0.0.1:1/relay`;
		const token = anySecret("-_~");
		const secrets = [...passwords, databasePassword, token];
		const passwordFile = join(directory, "passwords");
		writeFileSync(passwordFile, `${passwords.join("\n")}\n`);
		const relay = await RelayProcess.create({ command: RELAY_COMMAND, plcUrl: "http://127.0.0.1:1" });
		onTestFinished(() => relay.remove());
		const ended = relay
			.start({
				DATABASE_URL: url,
				RELAY_ADMIN_PASSWORD: "",
				RELAY_ADMIN_PASSWORD_FILE: passwordFile,
				RELAY_ALERT_WEBHOOK: `https://127.0.0.1:1/hooks/${token},slack+https://127.0.0.1:1/x?key=${token}`,
				RELAY_LOG_LEVEL: "debug",
			})
			.then(() => "started", String);
		const log = (): string => readFileSync(relay.logPath, "utf8");
		await until(() => log().includes("database-unreachable"));
		for (const path of ["/_stats", "/metrics", "/_readyz", "/_healthz", "/"]) {
			const response = await fetch(`http://127.0.0.1:${relay.internalPort}${path}`);
			expectHidden(await response.text(), secrets);
		}
		process.kill(relay.pid, "SIGSEGV");
		expect(await ended).toContain("SIGSEGV");
		// The runtime's report, which has the command line.
		expect(log()).toContain("Segmentation fault");
		expectHidden(log(), secrets);
	}, 300_000);

	test("by help, by the report of mistakes in the settings, and by commands that fail", async () => {
		const odd = "!?\"'\\{}$ #=;:<>&+";
		const secrets = Array.from({ length: 8 }, () => anySecret(odd));
		const [password = "", key = "", part = "", file = "", flag = "", stray = "", mistyped = "", value = ""] = secrets;
		const bad = {
			RELAY_ADMIN_PASSWORD: `${password},,`,
			RELAY_ADMIN_KEY: key,
			DATABASE_URL: `postgres://u:${part}@db`,
		};
		// A server that gives back what it was sent.
		const server = Bun.serve({
			hostname: "127.0.0.1",
			port: 0,
			fetch: ({ headers }) => {
				const message = `${headers.get("authorization")} ${password}`;
				return Response.json({ error: "AuthRequired", message }, { status: 401 });
			},
		});
		onTestFinished(() => server.stop(true));
		const outputs = await Promise.all([
			outputOf(["--help"], bad),
			outputOf(["serve"], bad),
			outputOf(["serve"], { RELAY_ADMIN_PASSWORD_FILE: file, DATABASE_URL_FILE: `postgres://u:${file}@db/relay` }),
			outputOf(["serve", "--admin-password", flag, stray], {}),
			outputOf(["serve", "--admin-pasword", mistyped], {}),
			outputOf(["serve"], { RELAY_ALERT_WEBHOOK: `ftp://a.example/${value}` }),
			outputOf(["serve", `--alert-webhook=https://a.example/${encodeURIComponent(value)}`], {}),
			outputOf(["serve", `--db-url=postgres://u:${encodeURIComponent(value)}@db/relay`], {}),
			outputOf(["hosts", "list", "--relay", `http://127.0.0.1:${server.port}`], { RELAY_ADMIN_PASSWORD: password }),
		]);
		for (const output of outputs) expectHidden(output, secrets);
		expect(outputs.at(-1)).toContain("***");
		expect(outputs[1]).toContain("DATABASE_URL: the value is not valid");
	}, 300_000);
});
