import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import postgres from "postgres";
import type { SimAccount } from "../../src/sim/account.ts";
import { SimConsumer } from "../../src/sim/consumer.ts";
import type { SimHost } from "../../src/sim/host.ts";
import { SimNetwork } from "../../src/sim/network.ts";
import { RelayProcess } from "../../src/sim/relay-process.ts";
import { type IndigoState, writeIndigoSqlite } from "../migrate/indigo-database.ts";
import { sharedPostgres } from "../sim/postgres.ts";
import { describeWithPostgres } from "../sim/postgres-programs.ts";
import { IndigoProcess } from "./indigo-process.ts";
import { isIndexed, RELAY_COMMAND, until } from "./rig.ts";

const [program = "", ...rest] = RELAY_COMMAND;
const MIGRATE = [program, ...rest.slice(0, -1), "migrate", "indigo"];
/** The reference relay's program. */
const INDIGO = process.env["INDIGO"] ?? "";
if (INDIGO === "") console.log("nothing is taken over from the real relay: INDIGO does not name its program");

let folder: string;
let places = 0;
beforeAll(() => {
	folder = mkdtempSync(join(tmpdir(), "standpipe-migrate-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const newPath = (): string => join(folder, String(places++));

interface Run {
	code: number;
	out: string;
	err: string;
}

/** Runs the command for a relay whose log and index are there. */
async function migrate(target: { log: string; index: string }, ...args: string[]): Promise<Run> {
	const env = {
		...process.env,
		RELAY_PERSIST_DIR: target.log,
		DATABASE_URL: `sqlite://${target.index}`,
		RELAY_ALLOW_INSECURE_HOSTS: "true",
	};
	const child = Bun.spawn([...MIGRATE, ...args], { stdout: "pipe", stderr: "pipe", env });
	const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
	return { code, out, err };
}

const placeOf = ({ logDirectory, indexPath }: RelayProcess) => ({ log: logDirectory, index: indexPath });
const newPlace = () => ({ log: newPath(), index: join(newPath(), "index.sqlite") });

const NOTHING: IndigoState = { hosts: [], accounts: [], domainBans: [], files: [0, 10] };

test("a mistyped command gets code 2, and what can't be taken over code 1: each a sentence, and nothing is made", async () => {
	const path = newPath();
	await writeIndigoSqlite(path, { ...NOTHING, files: [0] });
	const place = newPlace();
	for (const args of [
		[],
		["--from", "mysql://relay:secret@db/relay"],
		["--from", `sqlite://${path}`, "--seq-after", "0"],
	]) {
		const { code, out, err } = await migrate(place, ...args);
		expect({ code, out }).toEqual({ code: 2, out: "" });
		expect(err).not.toContain("secret");
	}
	const text = newPath();
	await Bun.write(text, "no database\n".repeat(1_000));
	for (const [from, reason] of [
		[`sqlite://${newPath()}`, "unable to open"],
		[`sqlite://${text}`, "not a database"],
		["postgres://nobody:secret@127.0.0.1:1/none", "postgres://127.0.0.1:1/none"],
		[`sqlite://${path}`, "--seq-after"],
	] as const) {
		const { code, out, err } = await migrate(place, "--from", from);
		expect({ code, out }).toEqual({ code: 1, out: "" });
		expect(err).toContain(reason);
		expect(err).not.toContain("secret");
		expect(err.trimEnd().split("\n")).toHaveLength(1);
		// What only the whole of the source tells is found when the places are open.
		if (!from.endsWith(path)) expect([existsSync(place.log), existsSync(place.index)]).toEqual([false, false]);
	}
	expect(existsSync(place.log) ? readdirSync(place.log) : ["lock"]).toEqual(["lock"]);
});

test("an index that was taken over is refused without its log, or with a part of it", async () => {
	const path = newPath();
	await writeIndigoSqlite(path, NOTHING);
	const relay = await RelayProcess.create({ command: RELAY_COMMAND, plcUrl: "http://127.0.0.1:1" });
	try {
		expect(await migrate(placeOf(relay), "--from", `sqlite://${path}`)).toMatchObject({ code: 0 });
		// As if it was killed when the log had all but its id.
		rmSync(join(relay.logDirectory, "id"));
		await expect(relay.start()).rejects.toThrow("ended with code 1");
		rmSync(relay.logDirectory, { recursive: true });
		await expect(relay.start()).rejects.toThrow("ended with code 1");
		const lines = await Bun.file(relay.logPath).text();
		expect(lines).toContain("is the index of another log");
	} finally {
		await relay.stop();
		await relay.remove();
	}
}, 60_000);

/** What indigo has of hosts and accounts at this moment. */
function stateNow(network: SimNetwork): IndigoState {
	return {
		hosts: network.hosts.map((host, at) => ({
			...{ id: at + 5, hostname: host.hostname, noSsl: true, accountLimit: 100n },
			...{ status: "active", lastSeq: BigInt(host.lastSeq), createdAt: "2025-01-01 00:00:00" },
		})),
		accounts: network.accounts.map((account, at) => ({
			...{ uid: at + 1, did: account.did, hostId: network.hosts.indexOf(network.hostOf(account)) + 5 },
			...{ status: "active", upstreamStatus: "active", repo: repoOf(account) },
		})),
		domainBans: [{ domain: "banned.example", createdAt: "2025-01-01 00:00:00" }],
		files: [0, 4_000],
	};
}

function repoOf({ rev, head, data }: SimAccount) {
	return rev === null || head === null || data === null ? null : { rev, commit: head, data };
}

async function commitAll(network: SimNetwork): Promise<void> {
	for (const account of network.accounts) network.send(account, await account.commit());
}

/** Messages of a DID as their types and revs. */
const received = ({ events }: SimConsumer, did: string): string[] =>
	events.filter((event) => event.did === did).map(({ type, rev }) => `${type} ${rev ?? ""}`);
const sentOf = ({ sent }: SimNetwork, did: string, from: number): string[] =>
	sent.slice(from).flatMap((one) => (one.did === did ? [`${one.type} ${one.rev ?? ""}`] : []));

async function statusOf({ apiPort }: RelayProcess, did: string): Promise<unknown> {
	const query = new URLSearchParams({ did });
	return (await fetch(`http://127.0.0.1:${apiPort}/xrpc/com.atproto.sync.getRepoStatus?${query}`)).json();
}

test("hosts go on at their cursors without a loss; bans, takedowns and waits hold; seqs are above indigo's", async () => {
	const network = new SimNetwork({ seed: "from indigo", hosts: 3, accounts: 9 });
	await network.start();
	for (let round = 0; round < 3; round++) await commitAll(network);
	const state = stateNow(network);
	const [first, , bannedHost] = network.hosts as [SimHost, SimHost, SimHost];
	const [takenDown, waiting] = network.accounts as [SimAccount, SimAccount];
	for (const row of state.hosts) if (row.hostname === bannedHost.hostname) row.status = "banned";
	const [rowTakenDown, rowWaiting] = state.accounts;
	if (rowTakenDown === undefined || rowWaiting === undefined) throw new Error("there are no accounts");
	rowTakenDown.status = "takendown";
	rowWaiting.status = "host-throttled";
	for (const row of state.hosts) if (row.id === rowWaiting.hostId) row.accountLimit = 2n;
	const cursors = network.hosts.map(({ lastSeq }) => lastSeq);
	const mark = network.sent.length;
	// Hosts go on while neither relay runs.
	await commitAll(network);

	const database = newPath();
	await writeIndigoSqlite(database, state);
	const relay = await RelayProcess.create({ command: RELAY_COMMAND, plcUrl: network.plc.url });
	const consumer = new SimConsumer(relay.firehoseOrigin);
	try {
		const from = ["--from", `sqlite=${database}`, "--seq-after", "5000", "--json"];
		const { code, out, err } = await migrate(placeOf(relay), ...from);
		expect({ code, err }).toEqual({ code: 0, err: "" });
		const parts = out
			.trim()
			.split("\n")
			.map((line) => JSON.parse(line));
		expect(parts.map(({ part }) => part)).toEqual(["progress", "done"]);
		expect(parts.at(-1)).toMatchObject({
			...{ hosts: 3, bannedHosts: 1, accountLimits: 1, domainBans: 1 },
			...{ accounts: 9, takedowns: 1, waiting: 1, firstSeq: 5_001 },
		});
		const again = await migrate(placeOf(relay), ...from);
		expect({ code: again.code, out: again.out }).toEqual({ code: 1, out: "" });
		expect(again.err).toContain("is not empty");

		await relay.start({ RELAY_DEFAULT_ACCOUNT_LIMIT: "100" });
		await consumer.connect(5_000);
		await until(() => network.hosts.slice(0, 2).every(({ connections }) => connections > 0));
		await commitAll(network);
		const passing = network.accounts.filter(
			(account) => network.hostOf(account) !== bannedHost && account !== takenDown && account !== waiting,
		);
		expect(passing.length).toBeGreaterThan(2);
		for (const { did } of passing) {
			await until(() => received(consumer, did).length >= 2);
			expect(received(consumer, did)).toEqual(sentOf(network, did, mark));
		}
		expect(consumer.events[0]?.seq).toBe(5_001);
		expect(consumer).toMatchObject({ seqGaps: 0, orderViolations: 0, revViolations: 0, infos: [] });
		expect(network.hosts.map((host) => host.cursors)).toEqual([[cursors[0] ?? 0], [cursors[1] ?? 0], []]);
		expect(await relay.hostStatus(bannedHost.hostname)).toBe("banned");
		expect(await statusOf(relay, takenDown.did)).toMatchObject({ active: false, status: "takendown" });
		expect(await statusOf(relay, waiting.did)).toMatchObject({ active: false, status: "throttled" });
		expect((await relay.admin("subs/listDomainBans")).json).toEqual({ banned_domains: ["banned.example"] });
		const rejected = Object.entries((await relay.stats()).rejected).filter(([, count]) => count > 0);
		expect(Object.fromEntries(rejected)).toEqual({ "account-inactive": 2, "account-throttled": 2 });

		// What was taken over can be undone, and lasts without the index.
		const limit = { host: network.hostOf(waiting).hostname, repo_limit: 50 };
		expect((await relay.admin("pds/changeLimits", limit)).status).toBe(200);
		await until(() => received(consumer, waiting.did).length > 0);
		await until(async () => isIndexed((await relay.stats()).log));
		await consumer.disconnect();
		expect(await relay.stop()).toBe(0);
		relay.removeIndex();
		await relay.start({ RELAY_DEFAULT_ACCOUNT_LIMIT: "100" });
		expect(await statusOf(relay, takenDown.did)).toMatchObject({ active: false, status: "takendown" });
		await until(() => first.connections > 0);
		expect(first.cursors.at(-1)).toBe(first.lastSeq);
		expect(bannedHost.cursors).toEqual([]);
	} finally {
		await consumer.disconnect();
		await relay.stop();
		await network.stop();
		await relay.remove();
	}
}, 300_000);

/** Runs statements in indigo's database, of either kind. Resolves with the rows of the last one. */
async function execute(url: string, statements: readonly string[]): Promise<unknown[][]> {
	let rows: unknown[][] = [];
	if (url.startsWith("sqlite://")) {
		const database = new Database(url.slice("sqlite://".length));
		for (const statement of statements) rows = database.query(statement).values();
		database.close();
		return rows;
	}
	const sql = postgres(url, { max: 1, onnotice: () => {} });
	for (const statement of statements) rows = await sql.unsafe(statement).values();
	await sql.end();
	return rows;
}

/** Has the real relay follow a network, stops it, and goes on with this one. */
async function checkRealIndigo(seed: string, databaseUrl?: string): Promise<void> {
	const network = new SimNetwork({ seed, hosts: 2, accounts: 6 });
	await network.start();
	const indigo = new IndigoProcess(INDIGO, {
		plcUrl: network.plc.url,
		...(databaseUrl === undefined ? {} : { databaseUrl }),
	});
	const relay = await RelayProcess.create({ command: RELAY_COMMAND, plcUrl: network.plc.url });
	const [before, after] = [new SimConsumer(indigo.firehoseOrigin), new SimConsumer(relay.firehoseOrigin)];
	try {
		// It takes no hosts at loopback from anybody, but follows those that are in its database when it starts.
		await indigo.start();
		await indigo.stop();
		const hosts = network.hosts.map(({ hostname }) => `(CURRENT_TIMESTAMP, '${hostname}', true, 100, 'active', -1)`);
		await execute(indigo.databaseUrl, [
			`INSERT INTO host (created_at, hostname, no_ssl, account_limit, status, last_seq) VALUES ${hosts.join(", ")}`,
		]);
		await indigo.start();
		await before.connect();
		await until(() => network.hosts.every(({ connections }) => connections > 0));
		for (let round = 0; round < 3; round++) await commitAll(network);
		await until(() => before.events.length >= network.sent.length);
		await before.disconnect();
		await indigo.stop();
		const [takenDown] = network.accounts as [SimAccount];
		const stored = await execute(indigo.databaseUrl, [
			`UPDATE account SET status = 'takendown' WHERE did = '${takenDown.did}'`,
			"INSERT INTO domain_bans (created_at, domain) VALUES (CURRENT_TIMESTAMP, 'banned.example')",
			"SELECT last_seq FROM host ORDER BY id",
		]);
		// They may be before the last message that it has passed on.
		const cursors = stored.map(([seq]) => Number(seq));
		expect(Math.min(...cursors)).toBeGreaterThan(0);
		const [mark, asked] = [network.sent.length, network.hosts.map((host) => host.cursors.length)];
		await commitAll(network);

		const seqAfter = before.cursor ?? 0;
		const from = ["--from", indigo.databaseUrl, "--seq-after", String(seqAfter), "--json"];
		const { code, out, err } = await migrate(placeOf(relay), ...from);
		expect({ code, err }).toEqual({ code: 0, err: "" });
		expect(JSON.parse(out.trim().split("\n").at(-1) ?? "")).toMatchObject({
			...{ part: "done", hosts: 2, accounts: 6, takedowns: 1, domainBans: 1, waiting: 0, firstSeq: seqAfter + 1 },
		});
		await relay.start();
		await after.connect(seqAfter);
		await until(() => network.hosts.every(({ connections }) => connections > 0));
		await commitAll(network);
		for (const { did } of network.accounts.filter((account) => account !== takenDown)) {
			await until(() => received(after, did).length >= 2);
			expect(received(after, did)).toEqual(sentOf(network, did, mark));
		}
		expect(received(after, takenDown.did)).toEqual([]);
		expect(after.events[0]?.seq).toBe(seqAfter + 1);
		expect(after).toMatchObject({ seqGaps: 0, orderViolations: 0, revViolations: 0, infos: [] });
		expect(network.hosts.map((host, at) => host.cursors.slice(asked[at]))).toEqual(cursors.map((seq) => [seq]));
		// What comes again after a cursor is known by its rev.
		const reasons = Object.entries((await relay.stats()).rejected).flatMap(([reason, count]) =>
			count > 0 ? reason : [],
		);
		expect(reasons.filter((reason) => reason !== "rev-stale")).toEqual(["account-inactive"]);
	} finally {
		await Promise.all([before.disconnect(), after.disconnect()]);
		await Promise.all([relay.stop(), indigo.stop()]);
		await network.stop();
		await relay.remove();
		indigo.remove();
	}
}

describe.skipIf(INDIGO === "")("from a database of the real relay (INDIGO)", () => {
	test(
		"in SQLite: hosts go on at their cursors, and later messages arrive once",
		() => checkRealIndigo("indigo"),
		300_000,
	);

	describeWithPostgres("in PostgreSQL", () => {
		test("it is the same", async () => {
			const { url } = await (await sharedPostgres()).newDatabase();
			await checkRealIndigo("indigo in postgres", url);
		}, 300_000);
	});
});
