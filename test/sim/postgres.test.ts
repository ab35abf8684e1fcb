import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PostgresServer } from "./postgres.ts";
import { describeWithPostgres, findPostgres } from "./postgres-programs.ts";
import { SmallDisk } from "./small-disk.ts";

const MIB = 1024 * 1024;

test("without PostgreSQL a sentence says so, and where it is required that is an error", () => {
	const nothing = mkdtempSync(join(tmpdir(), "standpipe-no-postgres-"));
	const env = { PATH: nothing };
	expect(findPostgres(env, nothing)).toMatch(/^there is no PostgreSQL on this machine/);
	expect(() => findPostgres({ ...env, STANDPIPE_TEST_POSTGRES: "required" }, nothing)).toThrow(
		"there is no PostgreSQL",
	);
	rmdirSync(nothing);
});

describeWithPostgres("a PostgreSQL server for tests", (programs) => {
	let server: PostgresServer;
	beforeAll(async () => {
		server = await PostgresServer.start(programs);
	}, 300_000);
	afterEach(() => server.heal());
	afterAll(() => server.stop(), 300_000);

	test("gives each test a database of its own, which is empty, and syncs", async () => {
		const [one, other] = [await server.newDatabase(), await server.newDatabase()];
		expect(
			await server.sqlIn(one, "CREATE TABLE a (a int)", "INSERT INTO a VALUES (1), (2)", "SELECT * FROM a"),
		).toEqual(["1", "2"]);
		expect(
			await server.sqlIn(other, "SELECT current_user, count(*) FROM pg_tables WHERE schemaname = 'public'"),
		).toEqual([`${other.name}|0`]);
		expect(await server.sql("SHOW fsync")).toEqual(["on"]);
		await expect(server.sqlIn({ ...one, url: one.url.replace("simulation", "wrong") }, "SELECT 1")).rejects.toThrow(
			"password authentication failed",
		);
	});

	test("has after a kill what was committed before, and can be killed again", async () => {
		const database = await server.newDatabase();
		await server.sqlIn(database, "CREATE TABLE a (a int)");
		for (let kill = 1; kill <= 3; kill++) {
			await server.sqlIn(database, `INSERT INTO a VALUES (${kill})`);
			await server.kill();
			await expect(server.sqlIn(database, "SELECT 1")).rejects.toThrow("Connection refused");
			await server.start();
			expect(await server.sqlIn(database, "SELECT count(*) FROM a")).toEqual([String(kill)]);
		}
	});

	test("goes back to a copy of its data, and on from there", async () => {
		const database = await server.newDatabase();
		await server.sqlIn(database, "CREATE TABLE a (a int)", "INSERT INTO a VALUES (1)");
		const takeOver = await server.copyData();
		await server.sqlIn(database, "INSERT INTO a VALUES (2)");
		await takeOver();
		expect(await server.sqlIn(database, "SELECT a FROM a")).toEqual(["1"]);
		await server.sqlIn(database, "INSERT INTO a VALUES (3)");
		expect(await server.sqlIn(database, "SELECT a FROM a ORDER BY a")).toEqual(["1", "3"]);
	});

	test("takes connections while it is frozen, and answers after that", async () => {
		const database = await server.newDatabase();
		await server.freeze();
		const socket = await Bun.connect({ hostname: "127.0.0.1", port: server.port, socket: { data: () => undefined } });
		let hasAnswered = false;
		const answer = server.sqlIn(database, "SELECT 1").finally(() => (hasAnswered = true));
		socket.end();
		expect(hasAnswered).toBe(false);
		server.thaw();
		expect(await answer).toEqual(["1"]);
	});

	test("refuses writes while it is read-only", async () => {
		const database = await server.newDatabase();
		await server.sqlIn(database, "CREATE TABLE a (a int)");
		await server.setReadOnly(true);
		await expect(server.sqlIn(database, "INSERT INTO a VALUES (1)")).rejects.toThrow("25006");
		await server.setReadOnly(false);
		await server.sqlIn(database, "INSERT INTO a VALUES (1)");
	});

	test("has tables locked until they are released", async () => {
		const database = await server.newDatabase();
		await server.sqlIn(database, "CREATE TABLE a (a int)");
		const release = await server.holdLock(database, "a");
		const insert = ["SET lock_timeout = 50", "INSERT INTO a VALUES (1)"];
		await expect(server.sqlIn(database, ...insert)).rejects.toThrow("55P03");
		await release();
		await server.sqlIn(database, ...insert);
		await expect(server.holdLock(database, "nothing")).rejects.toThrow("can't be locked");
	});

	test("ends the sessions of one database only", async () => {
		const [one, other] = [await server.newDatabase(), await server.newDatabase()];
		const asleep = "SELECT pg_sleep(3600)";
		// Handled from the start: its error may come before the answer to what caused it.
		const ended = server.sqlIn(one, asleep).catch(String);
		const sleepers = `SELECT count(*) FROM pg_stat_activity WHERE query = '${asleep}'`;
		while ((await server.sql(sleepers))[0] !== "1") await Bun.sleep(10);
		expect(await server.terminateSessions(other)).toBe(0);
		expect(await server.terminateSessions(one)).toBe(1);
		expect(await ended).toContain("57P01");
	});

	const canMount = SmallDisk.isAllowed();
	test.skipIf(!canMount)(
		`has databases on a disk that can be filled${canMount ? "" : " (skipped: this machine lets nobody mount one)"}`,
		async () => {
			const database = await server.newDatabase(24 * MIB);
			const insert = "INSERT INTO a SELECT repeat('x', 1000) FROM generate_series(1, 1000)";
			await server.sqlIn(database, "CREATE TABLE a (a text)", insert);
			database.disk?.fill();
			await expect(server.sqlIn(database, insert)).rejects.toThrow("53100");
			database.disk?.free();
			await server.sqlIn(database, insert);
			expect(await server.sqlIn(database, "SELECT count(*) FROM a")).toEqual(["2000"]);
		},
	);
});

describeWithPostgres("a PostgreSQL server of a process that is killed", () => {
	test.each([
		["a server that runs", []],
		["a server that is frozen", ["--frozen"]],
	])("ends, and its folder goes: %s", async (_, flags) => {
		const script = join(import.meta.dir, "postgres-child.ts");
		const child = Bun.spawn([process.execPath, script, ...flags], { stdout: "pipe" });
		let folder = "";
		for await (const bytes of child.stdout) {
			folder = new TextDecoder().decode(bytes).trim();
			break;
		}
		const pid = Number(readFileSync(join(folder, "data", "postmaster.pid"), "utf8").split("\n")[0]);
		process.kill(pid, 0);
		child.kill("SIGKILL");
		while (existsSync(folder)) await Bun.sleep(10);
		expect(() => process.kill(pid, 0)).toThrow();
	});
});
