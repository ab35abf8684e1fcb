import { afterEach, beforeEach, expect, test } from "bun:test";
import { type PostgresDatabase, type PostgresServer, sharedPostgres } from "./postgres.ts";
import { describeWithPostgres } from "./postgres-programs.ts";
import { atMessage, COMMITTED_UNHEARD, type FaultMoment, PostgresProxy } from "./postgres-proxy.ts";

describeWithPostgres("a proxy before PostgreSQL", () => {
	let server: PostgresServer;
	let database: PostgresDatabase;
	let proxy: PostgresProxy;
	let remote: PostgresDatabase;

	beforeEach(async () => {
		server = await sharedPostgres();
		database = await server.newDatabase();
		await server.sqlIn(database, "CREATE TABLE a (a int)");
		proxy = await PostgresProxy.start(database.url);
		remote = { ...database, url: `${proxy.url}&gssencmode=disable` };
	}, 300_000);
	afterEach(() => proxy.tcp.stop());

	const insert = (value: number): Promise<string[]> =>
		server.sqlIn(remote, "BEGIN", `INSERT INTO a VALUES (${value})`, "COMMIT");
	const values = (): Promise<string[]> => server.sqlIn(database, "SELECT a FROM a ORDER BY a");

	test("leads to the database", async () => {
		await insert(1);
		expect(await values()).toEqual(["1"]);
		expect(proxy.tcp.taken).toBe(1);
	});

	test("a commit whose answer nobody hears has happened", async () => {
		const happened = proxy.arm(COMMITTED_UNHEARD);
		await expect(insert(1)).rejects.toThrow();
		expect((await happened).text).toStartWith("COMMIT");
		expect(await values()).toEqual(["1"]);
		// The fault happens once.
		await insert(2);
		expect(await values()).toEqual(["1", "2"]);
	});

	test("a commit that the server did not get has not happened", async () => {
		const unsent: FaultMoment = {
			at: ({ from, text }) => from === "client" && text.startsWith("COMMIT"),
			order: "before",
			fault: "close",
		};
		const happened = proxy.arm(unsent);
		await expect(insert(1)).rejects.toThrow();
		expect(await happened).toMatchObject({ from: "client", type: "Q" });
		expect(await values()).toEqual([]);
	});

	test("at every message of a transaction: it has happened from some message on, and not before", async () => {
		const outcomes: string[] = [];
		for (let number = 0; ; number++) {
			const happened = proxy.arm(atMessage(number, "after", number % 2 === 0 ? "close" : "reset"));
			const ended = await insert(number).then(
				() => "whole",
				() => "cut",
			);
			if (ended === "whole") break;
			await happened;
			outcomes.push((await values()).includes(String(number)) ? "committed" : "absent");
		}
		const first = outcomes.indexOf("committed");
		expect(first).toBeGreaterThan(5);
		// The client's COMMIT may have passed while the server has not come to it yet.
		expect(new Set(outcomes.slice(0, first))).toEqual(new Set(["absent"]));
		expect(new Set(outcomes.slice(first + 1))).toEqual(new Set(["committed"]));
	});
});
