import { afterEach, expect, test } from "bun:test";
import { createServer, type Server, type Socket } from "node:net";
import { Database } from "../../../src/index/postgres/database.ts";
import { StoreBroken, storeFaultReason } from "../../../src/index/store-fault.ts";

let server: Server | null = null;
afterEach(() => void server?.close());

/** A database at a server that does this with each connection. Returns also how many it has had. */
async function databaseAt(
	onConnection: (socket: Socket) => void,
): Promise<{ database: Database; count: () => number }> {
	let count = 0;
	const listening = Promise.withResolvers<void>();
	server = createServer((socket) => {
		count++;
		socket.on("error", () => {});
		onConnection(socket);
	}).listen(0, "127.0.0.1", listening.resolve);
	await listening.promise;
	const address = server.address();
	const port = typeof address === "object" ? address?.port : null;
	const url = `postgres://relay:secret@127.0.0.1:${port}/relay?sslmode=disable`;
	return { database: new Database(url, { name: "test", settings: {} }), count: () => count };
}

async function faultOf(running: Promise<unknown>): Promise<unknown> {
	return await running.then(
		() => expect.unreachable("it succeeded"),
		(error: unknown) => error,
	);
}

const select = (database: Database): Promise<unknown> => database.run((sql) => sql`SELECT 1`);

test("a server that closes each connection at once is an error after one try", async () => {
	const { database, count } = await databaseAt((socket) => socket.destroy());
	for (let tries = 1; tries <= 20; tries++) {
		expect(storeFaultReason(await faultOf(select(database)))).toBe("database-unreachable");
		expect(count()).toBe(tries);
	}
	await database.close();
});

test("a server that reads and then closes is an error after one try too", async () => {
	const { database, count } = await databaseAt((socket) => socket.once("data", () => socket.end()));
	for (let tries = 1; tries <= 20; tries++) {
		expect(storeFaultReason(await faultOf(select(database)))).toBe("database-unreachable");
		expect(count()).toBe(tries);
	}
	await database.close();
});

test("nobody listens, there is no such name, there is no such socket: each is waited for, and names the place", async () => {
	for (const [url, place] of [
		["postgres://u:secret@127.0.0.1:1/relay", "postgres://127.0.0.1:1/relay"],
		["postgres://u:secret@no-such-host.invalid/relay", "postgres://no-such-host.invalid:5432/relay"],
		["postgres:///relay?host=/no/such/folder", "postgres:///no/such/folder:5432/relay"],
	] as const) {
		const database = new Database(url, { name: "test", settings: {} });
		const fault = await faultOf(select(database));
		expect(storeFaultReason(fault)).toBe("database-unreachable");
		expect(String(fault)).toContain(`${place}: `);
		expect(Bun.inspect(fault)).not.toContain("secret");
		await database.close();
	}
});

test("a certificate that can't be read is refused", () => {
	const url = "postgres://db/relay?sslmode=verify-full&sslrootcert=/no/such/file.pem";
	expect(() => new Database(url, { name: "test", settings: {} })).toThrow(StoreBroken);
	expect(() => new Database(url, { name: "test", settings: {} })).toThrow("sslrootcert");
});
