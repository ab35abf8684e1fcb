import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { RelayProcess } from "../../src/sim/relay-process.ts";
import { type PostgresDatabase, PostgresServer } from "../sim/postgres.ts";
import { describeWithPostgres } from "../sim/postgres-programs.ts";
import { expectReceived } from "./expect-received.ts";
import { isIndexed, RELAY_COMMAND, RelayRig, until } from "./rig.ts";

const PASSWORD = "only-for-the-simulation";

describeWithPostgres("a relay whose index is in PostgreSQL", (programs) => {
	let server: PostgresServer;
	beforeAll(async () => {
		server = await PostgresServer.start(programs);
	}, 300_000);
	afterAll(() => server.stop(), 300_000);

	test("passes messages on, keeps its state over restarts, and waits at the start for a server that is away", async () => {
		const { url } = await server.newDatabase();
		const rig = await RelayRig.start(
			{ seed: "PostgreSQL", hosts: 2, accounts: 12 },
			{ DATABASE_URL: url.replace("postgres:", "postgresql:"), RELAY_INGEST_WORKERS: "2" },
		);
		const { network, relay } = rig;
		await network.burst(200);
		await expectReceived(rig, network.accounts);
		expect(await relay.stop()).toBe(0);
		await network.burst(50);
		await server.kill();
		const starting = relay.start();
		const isWaiting = async (): Promise<boolean> => {
			const fault = await relay.fault().catch(() => null);
			return fault?.includes("can't be written (database-unreachable): the start waits for it") === true;
		};
		await until(isWaiting);
		await server.start();
		await starting;
		await rig.consumer.connect();
		await expectReceived(rig, network.accounts);
		await until(async () => isIndexed((await rig.stats()).log));
		const dids = network.accounts.map(({ did }) => did);
		const listed = await fetch(`http://127.0.0.1:${relay.apiPort}/xrpc/com.atproto.sync.listRepos?limit=100`);
		const { repos } = (await listed.json()) as { repos: { did: string }[] };
		expect(repos.map(({ did }) => did).sort()).toEqual(dids.sort());
		expect(readFileSync(relay.logPath, "utf8")).not.toContain(PASSWORD);
		await rig.stop();
	}, 300_000);

	test("keeps what an operator sets, and a new database gets it from the log", async () => {
		const { url } = await server.newDatabase();
		const rig = await RelayRig.start({ seed: "operator", hosts: 1, accounts: 2 }, { DATABASE_URL: url });
		const { network, relay } = rig;
		await network.burst(20);
		await expectReceived(rig, network.accounts);
		const did = network.accounts[0]?.did;
		for (const [path, body] of [
			["repo/takeDown", { did }],
			["subs/banDomain", { Domain: "bad.example.com" }],
			["subs/banDomain", { Domain: "good.example.com" }],
			["subs/unbanDomain", { Domain: "good.example.com" }],
			["settings", { newHostsPerDayMax: 4 }],
		] as const)
			expect((await relay.admin(path, body)).status).toBe(200);
		const expectHeld = async (): Promise<void> => {
			await until(async () => isIndexed((await rig.stats()).log));
			expect((await relay.admin("repo/takedowns")).json).toMatchObject({ dids: [did] });
			expect((await relay.admin("subs/listDomainBans")).json).toEqual({ banned_domains: ["bad.example.com"] });
			expect((await relay.admin("subs/perDayLimit")).json).toEqual({ limit: 4 });
			const { actions } = (await relay.admin("actions")).json as { actions: { action: string }[] };
			const names = ["changeSetting", "unbanDomain", "banDomain", "banDomain", "takeDown", "requestCrawl"];
			expect(actions.map(({ action }) => action)).toEqual(names);
		};
		await expectHeld();
		const { url: newUrl } = await server.newDatabase();
		for (const database of [url, newUrl]) {
			relay.kill();
			await relay.exited();
			await relay.start({ DATABASE_URL: database });
			await expectHeld();
		}
		await rig.stop();
	}, 300_000);

	test("is alive, and not ready, before it knows its hosts", async () => {
		const database = await server.newDatabase();
		const rig = await RelayRig.start({ seed: "ready", hosts: 2, accounts: 4 }, { DATABASE_URL: database.url });
		const { network, relay } = rig;
		await network.burst(20);
		await expectReceived(rig, network.accounts);
		await rig.consumer.disconnect();
		expect(await relay.stop()).toBe(0);
		const release = await server.holdLock(database, "host");
		const starting = relay.start();
		const status = (port: number, path: string): Promise<number> =>
			fetch(`http://127.0.0.1:${port}${path}`).then(
				(response) => response.status,
				() => 0,
			);
		const waiting =
			"SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
		await until(async () => (await server.sqlIn(database, waiting))[0] !== "0");
		expect(await status(relay.internalPort, "/_healthz")).toBe(200);
		expect(await status(relay.internalPort, "/_readyz?exclude=log,index")).toBe(503);
		await release();
		await starting;
		expect(await status(relay.internalPort, "/_readyz?exclude=log,index")).toBe(200);
		for (const { hostname } of network.hosts) await relay.requestCrawl(hostname);
		await rig.stop();
	}, 300_000);

	describe("ends at the start with one sentence, without the password,", () => {
		const refuse = async (url: string): Promise<string> => {
			const relay = await RelayProcess.create({
				command: RELAY_COMMAND,
				plcUrl: "http://127.0.0.1:1",
				env: { DATABASE_URL: url },
			});
			await expect(relay.start()).rejects.toThrow("the relay ended with code 1 at its start");
			const log = readFileSync(relay.logPath, "utf8");
			expect(log).not.toContain(PASSWORD);
			expect(log).not.toContain("wrong");
			await relay.remove();
			const errors = log.split("\n").filter((line) => line.includes('"error"'));
			expect(errors).toHaveLength(1);
			const { message } = JSON.parse(errors[0] ?? "");
			expect(message).not.toContain("\n");
			expect(message).toStartWith("standpipe can't start: DATABASE_URL (--database-url): postgres://127.0.0.1:");
			return message;
		};
		let database: PostgresDatabase;
		beforeAll(async () => {
			database = await server.newDatabase();
		});

		test("if the password is wrong", async () => {
			expect(await refuse(database.url.replace(PASSWORD, "wrong"))).toContain("password authentication failed");
		}, 60_000);

		test("if the database does not exist", async () => {
			const url = database.url.replace(/[^/]+$/, "absent");
			expect(await refuse(url)).toContain('database "absent" does not exist');
		}, 60_000);

		test("if the database is another program's", async () => {
			await server.sqlIn(database, "CREATE TABLE theirs (a int)");
			expect(await refuse(database.url)).toContain("holds no index, but another program's tables");
		}, 60_000);
	});
});
