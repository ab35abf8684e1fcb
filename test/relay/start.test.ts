import { Database } from "bun:sqlite";
import { afterAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SCHEMA_VERSION } from "../../src/index/sqlite/schema.ts";
import { RelayProcess } from "../../src/sim/relay-process.ts";
import { RELAY_COMMAND } from "./rig.ts";
import { identityEntry, writeLog } from "./written-log.ts";

const folder = mkdtempSync(join(tmpdir(), "standpipe-start-"));
chmodSync(folder, 0o777);
afterAll(() => rmSync(folder, { recursive: true }));

/** Command that runs another as the user `nobody`, since root may write everywhere. Empty if the tests don't run as root. */
const NOBODY = process.getuid?.() === 0 ? ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] : [];
const canMount = Bun.spawnSync([
	"sh",
	"-c",
	`mkdir ${folder}/m && mount -t tmpfs tmpfs ${folder}/m && umount ${folder}/m`,
]).success;
const hasPrivilegedPorts =
	(await Bun.file("/proc/sys/net/ipv4/ip_unprivileged_port_start")
		.text()
		.catch(() => "")) > "1";

interface LogLine {
	level: string;
	message: string;
}

/** The loopback addresses of this machine, which may have IPv6 turned off. */
const LOOPBACKS = ["127.0.0.1", "::1"].filter((hostname) => {
	try {
		takePort(hostname).free();
		return true;
	} catch {
		return false;
	}
});

let places = 0;

/** Settings of a relay with folders and ports of its own. */
function settings(changes: Record<string, string> = {}): Record<string, string> {
	const place = join(folder, `relay-${places++}`);
	return {
		RELAY_API_BIND: "127.0.0.1:0",
		RELAY_METRICS_LISTEN: "127.0.0.1:0",
		RELAY_PERSIST_DIR: join(place, "log"),
		DATABASE_URL: `sqlite://${join(place, "index.sqlite")}`,
		RELAY_PLC_HOST: "http://127.0.0.1:1",
		RELAY_DRAIN_TIMEOUT: "2m",
		...changes,
	};
}

function spawnRelay(
	env: Record<string, string>,
	prefix: readonly string[] = [],
): Bun.Subprocess<"ignore", "pipe", "pipe"> {
	const command = [...prefix, ...RELAY_COMMAND];
	return Bun.spawn(command, {
		cwd: folder,
		env: { ...process.env, ...env },
		stdin: "ignore",
		stdout: "pipe",
		stderr: "pipe",
	});
}

async function linesOf(child: Bun.Subprocess<"ignore", "pipe", "pipe">): Promise<LogLine[]> {
	const texts = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
	const lines = texts.slice(0, 2).join("").split("\n");
	return lines.filter((line) => line !== "").map((line) => JSON.parse(line) as LogLine);
}

/** Starts a relay that can't start, and returns the sentence that it ends with. */
async function refusal(env: Record<string, string>, prefix: readonly string[] = []): Promise<string> {
	const child = spawnRelay(env, prefix);
	const lines = await linesOf(child);
	expect(child.exitCode).toBe(1);
	const serious = lines.filter(({ level }) => level === "error" || level === "warning");
	expect(serious).toHaveLength(1);
	const [{ message } = { message: "" }] = serious;
	expect(message).not.toContain("\n");
	expect(message).not.toMatch(/ at .*:\d+|Error:/);
	return message;
}

/** Starts a relay that can start, stops it cleanly, and returns the warnings and errors that it logged. */
async function complaints(env: Record<string, string>): Promise<LogLine[]> {
	const child = spawnRelay(env);
	const reader = child.stdout.getReader();
	const decoder = new TextDecoder();
	let out = "";
	let isReady = false;
	for (let part = await reader.read(); !part.done; part = await reader.read()) {
		out += decoder.decode(part.value, { stream: true });
		if (isReady || !out.includes("serves on")) continue;
		isReady = true;
		child.kill("SIGTERM");
	}
	const err = await child.stderr.text();
	expect(await child.exited).toBe(0);
	expect(out).toMatch(/drained in \d+ ms/);
	const lines = (out + err).split("\n").filter((line) => line !== "");
	return lines.map((line) => JSON.parse(line) as LogLine).filter(({ level }) => level !== "info");
}

function takePort(hostname: string): { port: number; free: () => void } {
	const server = Bun.listen({ hostname, port: 0, socket: { data: () => undefined } });
	return { port: server.port, free: () => server.stop(true) };
}

describe("a start that fails says in one sentence which setting is at fault, and why", () => {
	test("--persist-dir", async () => {
		const file = join(folder, "a-file");
		writeFileSync(file, "");
		expect(await refusal(settings({ RELAY_PERSIST_DIR: file }))).toBe(
			`standpipe can't start: RELAY_PERSIST_DIR (--persist-dir): ${file} exists, but is not a folder`,
		);
		expect(await refusal(settings({ RELAY_PERSIST_DIR: join(file, "log") }))).toContain(
			"is below something that is not a folder",
		);
		expect(await refusal(settings({ RELAY_PERSIST_DIR: "/proc/nothing/log" }))).toMatch(
			/RELAY_PERSIST_DIR \(--persist-dir\): \/proc\/nothing\/log can't be created/,
		);
		const locked = join(folder, "locked");
		mkdirSync(locked, { mode: 0o555 });
		for (const path of [locked, join(locked, "log")])
			expect(await refusal(settings({ RELAY_PERSIST_DIR: path }), NOBODY)).toMatch(
				/RELAY_PERSIST_DIR \(--persist-dir\): .*(permission denied|may not be written|may not create files in its folder)/,
			);
	}, 300_000);

	test("DATABASE_URL", async () => {
		const url = (path: string): Record<string, string> => settings({ DATABASE_URL: `sqlite://${path}` });
		expect(await refusal(url(folder))).toBe(
			`standpipe can't start: DATABASE_URL (--database-url): ${folder} is a folder, not a file`,
		);
		const text = join(folder, "text.sqlite");
		writeFileSync(text, "no database at all. ".repeat(100));
		expect(await refusal(url(text))).toContain(`DATABASE_URL (--database-url): ${text} is not an SQLite database`);
		for (const version of [0, 1, SCHEMA_VERSION + 1]) {
			const other = join(folder, `version-${version}.sqlite`);
			const database = new Database(other);
			database.run("CREATE TABLE host (id INTEGER)");
			database.run(`PRAGMA user_version = ${version}`);
			database.close();
			expect(await refusal(url(other))).toMatch(
				new RegExp(
					`DATABASE_URL \\(--database-url\\): ${other} holds .*; this program uses schema version ${SCHEMA_VERSION}`,
				),
			);
		}
		const sealed = join(folder, "sealed");
		mkdirSync(sealed, { mode: 0o555 });
		expect(await refusal(url(join(sealed, "index.sqlite")), NOBODY)).toMatch(
			/DATABASE_URL .*may not create files in its folder/,
		);
		const readOnly = join(sealed, "read-only.sqlite");
		chmodSync(sealed, 0o755);
		new Database(readOnly, { create: true }).close();
		writeFileSync(readOnly, "");
		chmodSync(readOnly, 0o444);
		chmodSync(sealed, 0o555);
		expect(await refusal(url(readOnly), NOBODY)).toMatch(
			/DATABASE_URL .*(may not be|permission denied|can't be opened)/,
		);
	}, 300_000);

	test("an index that is ahead of its log", async () => {
		const env = settings();
		expect(await complaints(env)).toEqual([]);
		const database = new Database((env["DATABASE_URL"] ?? "").replace("sqlite://", ""));
		database.run("UPDATE checkpoint SET lsn = 99");
		database.close();
		expect(await refusal(env)).toMatch(
			/RELAY_PERSIST_DIR .* applied the log up to record 99, but the log ends at record 0/,
		);
	}, 300_000);

	test("an index of another log", async () => {
		const [one, two] = [settings(), settings()];
		for (const env of [one, two]) expect(await complaints({ ...env, RELAY_INITIAL_SEQ_NUMBER: "100" })).toEqual([]);
		const [idOfOne, idOfTwo] = [one, two].map((env) =>
			readFileSync(join(env["RELAY_PERSIST_DIR"] ?? "", "id"), "utf8").trim(),
		);
		const index = one["DATABASE_URL"] ?? "";
		const crossed = { ...two, DATABASE_URL: index };
		expect(await refusal(crossed)).toBe(
			`standpipe can't start: DATABASE_URL (--database-url): ${index.replace("sqlite://", "")} is the index of another log, ` +
				`${idOfOne}, and not of this one, ${idOfTwo}: put back the index of this log, or the log of that index`,
		);
		for (const env of [one, two]) expect(await complaints(env)).toEqual([]);
		// After the loss of a log, the operator sets the number at which the next log begins. That log takes the index over.
		expect(await complaints({ ...crossed, RELAY_INITIAL_SEQ_NUMBER: "500" })).toEqual([]);
		expect(await refusal(one)).toContain("is the index of another log");
		expect(await complaints(crossed)).toEqual([]);
	}, 300_000);

	test("the public port of another relay, however many threads share it in each", async () => {
		for (const workers of ["1", "2"]) {
			const options = { command: RELAY_COMMAND, plcUrl: "http://127.0.0.1:1", env: { RELAY_FANOUT_WORKERS: workers } };
			const first = await RelayProcess.create(options);
			await first.start();
			const bind = `127.0.0.1:${first.apiPort}`;
			for (const others of ["1", "2"])
				expect(await refusal(settings({ RELAY_API_BIND: bind, RELAY_FANOUT_WORKERS: others }))).toMatch(
					/RELAY_API_BIND .*: port \d+ is in use by another program$/,
				);
			await first.stop();
			await first.remove();
		}
	}, 300_000);

	test("a port that is taken, on each family, at each server; and the next start reports nothing", async () => {
		for (const name of ["RELAY_API_BIND", "RELAY_METRICS_LISTEN"])
			for (const host of LOOPBACKS) {
				const { port, free } = takePort(host);
				const shown = host === "::1" ? "[::1]" : host;
				const env = settings({ [name]: `${shown}:${port}` });
				expect(await refusal(env)).toMatch(new RegExp(`: ${name} .*: port ${port} is in use by another program$`));
				expect(await refusal({ ...env, [name]: `:${port}` })).toContain(`port ${port} is in use`);
				free();
				expect(await complaints(env)).toEqual([]);
			}
	}, 300_000);

	test("an address that does not resolve, or is not this machine's", async () => {
		for (const [address, fault] of [
			["999.1.1.1:0", 'the name "999.1.1.1" does not resolve'],
			["no-such-name.invalid:0", 'the name "no-such-name.invalid" does not resolve'],
			["192.0.2.1:0", "this machine has no address 192.0.2.1"],
			["[2001:db8::1]:0", "this machine has no address 2001:db8::1"],
		] as const) {
			expect(await refusal(settings({ RELAY_API_BIND: address }))).toEndWith(`RELAY_API_BIND (--api-bind): ${fault}`);
			expect(await refusal(settings({ RELAY_METRICS_LISTEN: address }))).toEndWith(
				`RELAY_METRICS_LISTEN (--metrics-listen): ${fault}`,
			);
		}
	}, 300_000);

	test.skipIf(!hasPrivilegedPorts)(
		"a port that needs a privilege",
		async () => {
			const env = settings({ RELAY_API_BIND: "127.0.0.1:81" });
			expect(await refusal(env, NOBODY)).toEndWith(
				"RELAY_API_BIND (--api-bind): this process may not listen on port 81: permission denied",
			);
		},
		300_000,
	);

	test("an engine that does not work here", async () => {
		// The native engine is written to the temporary folder to be loaded.
		const env = {
			...settings({ RELAY_VERIFY_ENGINE: "native" }),
			TMPDIR: "/proc/nothing",
			BUN_TMPDIR: "/proc/nothing",
		};
		expect(await refusal(env)).toMatch(
			/RELAY_VERIFY_ENGINE \(--verify-engine\): the native verifier was asked for, but/,
		);
	}, 300_000);

	test("a log that another relay writes to", async () => {
		const env = settings();
		const first = spawnRelay(env);
		const reader = first.stdout.getReader();
		for (let out = ""; !out.includes("serves on"); ) out += new TextDecoder().decode((await reader.read()).value);
		expect(await refusal(env)).toMatch(/RELAY_PERSIST_DIR .*: the log in .* is in use by another relay/);
		first.kill("SIGTERM");
		expect(await first.exited).toBe(0);
	}, 300_000);

	test.skipIf(!canMount)(
		"a disk that is full",
		async () => {
			const disk = join(folder, "disk");
			mkdirSync(disk);
			expect(Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=64k,nr_inodes=64", "tmpfs", disk]).success).toBe(true);
			try {
				Bun.spawnSync(["dd", "if=/dev/zero", `of=${join(disk, "ballast")}`, "bs=4k"]);
				expect(await refusal(settings({ RELAY_PERSIST_DIR: join(disk, "log") }))).toMatch(
					/RELAY_PERSIST_DIR \(--persist-dir\): .*the disk is full/,
				);
				expect(await refusal(settings({ DATABASE_URL: `sqlite://${join(disk, "index.sqlite")}` }))).toMatch(
					/DATABASE_URL \(--database-url\): .*the disk is full/,
				);
			} finally {
				expect(Bun.spawnSync(["umount", disk]).success).toBe(true);
			}
		},
		300_000,
	);
});

test("a start that ended early, or logged no record, leaves nothing that the next start reports", async () => {
	const env = settings();
	for (let start = 0; start < 3; start++) expect(await complaints(env)).toEqual([]);
	const { port, free } = takePort("127.0.0.1");
	for (let start = 0; start < 2; start++)
		expect(await refusal({ ...env, RELAY_METRICS_LISTEN: `127.0.0.1:${port}` })).toContain("in use");
	free();
	expect(await complaints(env)).toEqual([]);
	// None of these starts left out a seq.
	expect(readdirSync(env["RELAY_PERSIST_DIR"] ?? "").sort()).toEqual([
		"00000000000000000001-00000000000000000001.seg",
		"id",
		"last-used",
		"lock",
	]);
}, 300_000);

const FIRST_STARTS: Record<string, string>[] = [
	{},
	{ RELAY_INITIAL_SEQ_NUMBER: "1000" },
	{ RELAY_SYNC_MODE: "write" },
	{ RELAY_SYNC_MODE: "write", RELAY_INITIAL_SEQ_NUMBER: "1000" },
];

describe.each(FIRST_STARTS)(
	"a start with %o that finds its port taken leaves nothing that a second start reports",
	(changes) => {
		test.each(["RELAY_API_BIND", "RELAY_METRICS_LISTEN"])(
			"the port of %s, on a log that is new",
			async (name) => {
				const env = settings(changes);
				await refuseTaken(env, name);
				expect(await complaints(env)).toEqual([]);
				const first = (changes["RELAY_INITIAL_SEQ_NUMBER"] ?? "1").padStart(20, "0");
				expect(readdirSync(env["RELAY_PERSIST_DIR"] ?? "")).toContain(`${first}-${first}.seg`);
				expect(await complaints(env)).toEqual([]);
			},
			300_000,
		);

		test("on a log that has records", async () => {
			const env = settings(changes);
			writeLog(
				env["RELAY_PERSIST_DIR"] ?? "",
				[[identityEntry("did:plc:a", 1, 1)], [identityEntry("did:plc:b", 1, 2)]],
				Date.now,
			);
			await refuseTaken(env, "RELAY_API_BIND");
			await refuseTaken(env, "RELAY_METRICS_LISTEN");
			expect(await complaints(env)).toEqual([]);
		}, 300_000);
	},
);

/** Starts a relay while another program listens on one of its ports. */
async function refuseTaken(env: Record<string, string>, name: string): Promise<void> {
	const { port, free } = takePort("127.0.0.1");
	expect(await refusal({ ...env, [name]: `127.0.0.1:${port}` })).toContain("in use");
	free();
}

test("`:PORT` listens on both families, at both servers", async () => {
	const [api, internal] = [takePort("127.0.0.1"), takePort("127.0.0.1")];
	api.free();
	internal.free();
	const env = settings({ RELAY_API_BIND: `:${api.port}`, RELAY_METRICS_LISTEN: `:${internal.port}` });
	const child = spawnRelay(env);
	const reader = child.stdout.getReader();
	for (let out = ""; !out.includes("serves on"); ) out += new TextDecoder().decode((await reader.read()).value);
	for (const host of LOOPBACKS.map((address) => (address.includes(":") ? `[${address}]` : address)))
		for (const at of [`${api.port}/_health`, `${internal.port}/_readyz`])
			expect((await fetch(`http://${host}:${at}`)).status).toBe(200);
	child.kill("SIGTERM");
	expect(await child.exited).toBe(0);
}, 300_000);
