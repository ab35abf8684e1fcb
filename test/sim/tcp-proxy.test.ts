import { afterEach, beforeEach, expect, test } from "bun:test";
import { once } from "node:events";
import { createServer, connect as dial, type Server, type Socket } from "node:net";
import { TcpProxy } from "./tcp-proxy.ts";

let echo: Server;
let heard: string;
let proxy: TcpProxy;
const sockets = new Set<Socket>();

beforeEach(async () => {
	heard = "";
	echo = createServer((socket) => {
		socket.on("error", () => undefined);
		socket.on("data", (bytes) => {
			heard += bytes;
			socket.write(bytes);
		});
	});
	echo.listen(0, "127.0.0.1");
	await once(echo, "listening");
	const address = echo.address();
	if (address === null || typeof address === "string") throw new Error("no port");
	proxy = await TcpProxy.start(address.port);
});

afterEach(async () => {
	for (const socket of sockets) socket.destroy();
	sockets.clear();
	await proxy.stop();
	echo.close();
});

class Client {
	readonly socket: Socket;
	/** How it ended: the code of the error, or "end". */
	readonly ended: Promise<string>;
	got = "";

	constructor() {
		this.socket = dial(proxy.port, "127.0.0.1");
		sockets.add(this.socket);
		const { promise, resolve } = Promise.withResolvers<string>();
		this.ended = promise;
		this.socket.on("data", (bytes) => {
			this.got += bytes;
		});
		this.socket.on("error", (error) => resolve("code" in error ? String(error.code) : error.message));
		this.socket.on("end", () => resolve("end"));
		this.socket.on("close", () => resolve("close"));
	}

	async says(text: string): Promise<void> {
		this.socket.write(text);
	}
}

async function until(condition: () => boolean): Promise<void> {
	while (!condition()) await Bun.sleep(1);
}

test("passes on what both sides say, and their ends", async () => {
	const client = new Client();
	client.says("a".repeat(1_000_000));
	await until(() => client.got.length === 1_000_000);
	expect(proxy.open).toBe(1);
	client.socket.end();
	expect(await client.ended).toBe("end");
	await until(() => proxy.open === 0);
});

test("swallows answers from then on, while the server hears everything", async () => {
	const client = new Client();
	client.says("one");
	await until(() => client.got === "one");
	proxy.disturb("swallow");
	client.says("two");
	await until(() => heard === "onetwo");
	const other = new Client();
	other.says("three");
	await until(() => other.got === "three");
	expect(client.got).toBe("one");
});

test.each([["close" as const], ["reset" as const]])("ends connections: %s", async (fault) => {
	const client = new Client();
	client.says("one");
	await until(() => client.got === "one");
	proxy.disturb(fault);
	expect(await client.ended).toBe(fault === "close" ? "end" : "ECONNRESET");
	await until(() => proxy.open === 0);
});

test("keeps what is said while it is frozen, also by new connections, and passes it on later", async () => {
	const client = new Client();
	client.says("one");
	await until(() => client.got === "one");
	proxy.freeze();
	client.says("two");
	const other = new Client();
	other.says("three");
	await until(() => proxy.taken === 2);
	expect([client.got, other.got, heard]).toEqual(["one", "", "one"]);
	proxy.thaw();
	await until(() => client.got === "onetwo" && other.got === "three");
});

test("refuses connections, and takes them again on the same port", async () => {
	const before = new Client();
	before.says("one");
	await until(() => before.got === "one");
	const { port } = proxy;
	await proxy.refuse();
	expect(await new Client().ended).toBe("ECONNREFUSED");
	before.says("two");
	await until(() => before.got === "onetwo");
	await proxy.accept();
	expect(proxy.port).toBe(port);
	const after = new Client();
	after.says("three");
	await until(() => after.got === "three");
});

test.each([0, 1, 5, 9])("a watch cuts a connection after %d bytes of the answer", async (limit) => {
	proxy.watch(() => {
		let left = limit;
		return (from, bytes) => {
			if (from === "client" || left >= bytes.length) {
				if (from === "server") left -= bytes.length;
				return { pass: bytes, fault: null };
			}
			return { pass: bytes.subarray(0, left), fault: "close" };
		};
	});
	const client = new Client();
	client.says("0123456789");
	expect(await client.ended).toBe("end");
	expect(client.got).toBe("0123456789".slice(0, limit));
	expect(heard).toBe("0123456789");
});

test("delays each piece", async () => {
	proxy.delayMs = 20;
	const client = new Client();
	const beganAtMs = performance.now();
	client.says("one");
	await until(() => client.got === "one");
	// Both ways.
	expect(performance.now() - beganAtMs).toBeGreaterThanOrEqual(39);
});
