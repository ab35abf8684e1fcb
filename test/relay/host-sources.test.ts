import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RelayProcess } from "../../src/sim/relay-process.ts";
import { RELAY_COMMAND, RelayRig, until } from "./rig.ts";

const [program = "", ...rest] = RELAY_COMMAND;
const HOSTS = [program, ...rest.slice(0, -1), "hosts"];

let folder: string;
/** A relay that follows all hosts, and from which others pull them. */
let rig: RelayRig;
let relay: RelayProcess;
let names: string[];

beforeAll(async () => {
	folder = mkdtempSync(join(tmpdir(), "standpipe-host-sources-"));
	rig = await RelayRig.start({ seed: "host sources", hosts: 3, accounts: 6 }, { RELAY_MAX_READS_PER_IP: "1000" });
	await rig.network.burst(30);
	names = rig.network.hosts.map(({ hostname }) => hostname).sort();
	const listHosts = `http://127.0.0.1:${rig.relay.apiPort}/xrpc/com.atproto.sync.listHosts`;
	await until(async () => ((await (await fetch(listHosts)).json()) as { hosts: object[] }).hosts.length === 3);
	relay = await newRelay();
	await relay.start();
});
afterAll(async () => {
	await relay.stop();
	await relay.remove();
	await rig.stop();
	rmSync(folder, { recursive: true });
});

const newRelay = (env: Record<string, string> = {}): Promise<RelayProcess> =>
	RelayProcess.create({ command: RELAY_COMMAND, plcUrl: rig.network.plc.url, env });

const originOf = ({ apiPort }: RelayProcess): string => `http://127.0.0.1:${apiPort}`;

const password = (): string => atob(relay.adminAuthorization.replace("Basic ", "")).replace("admin:", "");

async function run(args: string[], env: Record<string, string> = { RELAY_ADMIN_PASSWORD: password() }) {
	const child = Bun.spawn([...HOSTS, ...args], { env: { ...process.env, ...env }, stdout: "pipe", stderr: "pipe" });
	const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
	const lines = args.includes("--json")
		? out
				.trim()
				.split("\n")
				.map((line) => JSON.parse(line) as unknown)
		: [];
	return { code, out, err, lines };
}

/** The hosts to which a relay is connected. */
async function connected(to: RelayProcess): Promise<unknown> {
	const { json } = await to.admin("subs/getUpstreamConns");
	return Array.isArray(json) ? json.sort() : json;
}

test("`hosts pull` adds what another relay lists, goes on if it is called again, and obeys bans", async () => {
	const target = ["--relay", originOf(relay)];
	await relay.admin(`pds/block?host=${names[0]}`, {});
	const first = await run(["pull", originOf(rig.relay), ...target, "--json"]);
	const refused = { part: "refused", hostname: names[0], error: "HostBanned" };
	expect(first.lines).toContainEqual(expect.objectContaining(refused));
	expect(first).toMatchObject({ code: 0, err: "" });
	expect(first.lines.at(-1)).toMatchObject({ part: "done", listed: 3, new: 2, known: 0, refused: 1 });
	await until(async () => Bun.deepEquals(await connected(relay), names.slice(1)));
	await relay.admin(`pds/unblock?host=${names[0]}`, {});
	const again = await run(["pull", originOf(rig.relay), ...target]);
	expect(again).toMatchObject({ code: 0, out: "3 listed: 1 new, 2 known, 0 refused\n" });
	await until(async () => Bun.deepEquals(await connected(relay), names));
	const line = { action: "addHosts", subject: originOf(rig.relay), after: "1 new, 2 known, 0 refused" };
	await until(async () => {
		const { actions } = (await relay.admin("actions")).json as { actions: object[] };
		return actions.some((action) => Bun.deepMatch(line, action));
	});
});

test("`hosts list` shows all hosts of a running relay, those too that never sent anything", async () => {
	const { code, lines } = await run(["list", "--json", "--relay", originOf(relay)]);
	expect(code).toBe(0);
	expect(lines.map((line) => (line as { hostname: string }).hostname).sort()).toEqual(names);
	expect(lines[0]).toMatchObject({ status: "active", detail: "connected" });
});

test("`hosts add` takes names, and lists in files and at URLs; the relay is the one on this machine if none is named", async () => {
	const other = await newRelay({ RELAY_NEW_HOSTS_PER_DAY_LIMIT: "0" });
	await other.start();
	const env = { RELAY_API_BIND: `:${other.apiPort}` };
	const passwordFile = join(folder, "password");
	writeFileSync(passwordFile, `${password()}\n`);
	const secret = ["--password-file", passwordFile];
	expect(await run(["add", names[0] ?? "", "127.0.0.1", ...secret], env)).toMatchObject({
		code: 0,
		out: expect.stringMatching(
			/^refused 127\.0\.0\.1: InvalidRequest: .*\n2 listed: 1 new, 0 known, 1 refused \(InvalidRequest 1\)\n$/,
		),
	});
	const list = join(folder, "list.json");
	writeFileSync(list, JSON.stringify({ pdses: { [`http://${names[1]}/`]: {}, "http://localhost:1": {} } }));
	const fromFile = await run(["add", "--file", list, "--json", ...secret], env);
	expect(fromFile.lines.at(-1)).toMatchObject({ listed: 2, new: 1, refused: 1, byRule: { HostNotFound: 1 } });
	const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => Response.json(names) });
	const fromUrl = await run(["add", "--file", server.url.href, "--json", ...secret], env);
	await server.stop(true);
	expect(fromUrl.lines.at(-1)).toMatchObject({ listed: 3, new: 1, known: 2 });
	await until(async () => Bun.deepEquals(await connected(other), names));
	await other.stop();
	await other.remove();
});

test("a relay pulls hosts by itself, with RELAY_BOOTSTRAP, and goes on without those that it can't reach", async () => {
	const other = await newRelay({
		RELAY_BOOTSTRAP: `http://127.0.0.1:1,${originOf(rig.relay)}`,
		RELAY_NEW_HOSTS_PER_DAY_LIMIT: "0",
	});
	await other.start();
	await until(async () => Bun.deepEquals(await connected(other), names));
	// A stop does not wait for the relay that is still tried.
	expect(await other.stop()).toBe(0);
	await other.remove();
});

test.each([
	[["pull"], {}, 2, "missing required argument 'url'"],
	[["push", "x"], {}, 2, "unknown command 'push'"],
	[["add"], {}, 2, "hosts add takes names of hosts"],
	[["add", "a.com", "--file", "x"], {}, 2, "hosts add takes names of hosts"],
	[["list", "a.com"], {}, 2, "too many arguments"],
	[["pull", "--nonsense", "https://a.example.com"], {}, 2, "unknown option '--nonsense'"],
	[["pull", "https://me:secret@a.example.com/x"], {}, 2, "URL: expected an http:// or https:// URL"],
	[["list"], { RELAY_ADMIN_PASSWORD: "" }, 2, "password is missing"],
	[["list", "--password-file", "/nowhere/at/all"], {}, 1, "--password-file:"],
	[["add", "--file", "/nowhere/at/all.json"], {}, 1, "/nowhere/at/all.json"],
	[["list"], { RELAY_ADMIN_PASSWORD: "wrong" }, 1, "HTTP 401"],
	[["add", "--file", "http://127.0.0.1:1/list.json"], {}, 1, "http://127.0.0.1:1/list.json: "],
] as const)("%p with %p ends with code %d and says why", async (args, env, code, why) => {
	const given = { RELAY_ADMIN_PASSWORD: password(), RELAY_API_BIND: `127.0.0.1:${relay.apiPort}`, ...env };
	const result = await run([...args], given);
	expect([result.code, result.out]).toEqual([code, ""]);
	expect(result.err).toContain(why);
	expect(result.err).not.toContain("secret");
	// A sentence, and no report of a fault of the program.
	expect(result.err).not.toContain("standpipe ends");
});
