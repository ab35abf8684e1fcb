import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { createServer, type Server } from "node:net";
import { HOST_FAULTS } from "../../../src/hosts/fault.ts";
import { HostSocket, publicLookup } from "../../../src/ingest/host/socket.ts";
import { type SocketEnd, socketEndOf } from "../../../src/ingest/host/socket-fault.ts";
import { CERTIFICATE, CERTIFICATE_KEY } from "../../net/certificate.ts";
import { FakeTiming } from "../../sim/fake-timing.ts";
import { RawHost } from "../../sim/raw-host.ts";

/** Connects to a host, and resolves with how that ended. */
function endOf(hostname: string, more: Partial<ConstructorParameters<typeof HostSocket>[0]> = {}): Promise<SocketEnd> {
	return new Promise((closed) => {
		const options = { hostname, insecure: true, cursor: null, userAgent: "a test", ...more };
		const socket = new HostSocket(options, {
			opened: () => undefined,
			frame: () => undefined,
			unreadable: (reason) => socket.close(1002, reason),
			closed,
		});
	});
}

/** A server of TCP that does this with each connection. */
async function tcpServer(accept: (socket: { destroy(): void }) => void): Promise<{ server: Server; hostname: string }> {
	const server = createServer(accept);
	await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
	const address = server.address();
	if (address === null || typeof address === "string") throw new Error("the server does not listen");
	return { server, hostname: `localhost:${address.port}` };
}

describe("why a host can't be reached is told from", () => {
	test("a port at which nothing listens", async () => {
		const { server, hostname } = await tcpServer(() => undefined);
		await new Promise((closed) => server.close(closed));
		expect(await endOf(hostname)).toMatchObject({ fault: "refused" });
	});

	test("a name that does not exist", async () => {
		expect(await endOf("pds.invalid")).toMatchObject({ fault: "dns" });
		expect(await endOf("pds.invalid", { insecure: false })).toMatchObject({ fault: "dns" });
	});

	test("a name with a private address", async () => {
		const resolve = (_: unknown, __: unknown, callback: (error: null, found: unknown) => void): void =>
			callback(null, [{ address: "10.0.0.1", family: 4 }]);
		const lookup = publicLookup(resolve as never);
		const end = await endOf("pds.example.com", { insecure: false, lookup });
		expect(end.fault).toBe("private-address");
		expect(end.text).toBe("pds.example.com: its name leads to an address that is not public");
	});

	test.each([200, 301, 404, 426, 429, 502])("an answer of HTTP %d, at once", async (status) => {
		const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response("no", { status }) });
		const end = await endOf(`localhost:${server.port}`);
		expect(end).toEqual({ fault: "http-status", text: `it answered the handshake with HTTP ${status}` });
		await server.stop(true);
	});

	test("a certificate that nobody has signed, and a server without TLS", async () => {
		const tls = { cert: CERTIFICATE, key: CERTIFICATE_KEY };
		const server = Bun.serve({ hostname: "127.0.0.1", port: 0, tls, fetch: () => new Response("no") });
		expect(await endOf(`localhost:${server.port}`, { insecure: false })).toMatchObject({ fault: "tls" });
		await server.stop(true);
		const plain = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response("no") });
		expect(await endOf(`localhost:${plain.port}`, { insecure: false })).toMatchObject({ fault: "tls" });
		await plain.stop(true);
	});

	test("a connection that is dropped", async () => {
		const { server, hostname } = await tcpServer((socket) => socket.destroy());
		expect(await endOf(hostname)).toMatchObject({ fault: "dropped" });
		server.close();
	});
});

describe("why a connection ended is told from", () => {
	let host: RawHost;
	beforeEach(async () => {
		host = new RawHost([Buffer.of(0x88, 2, 0x03, 0xe9)]);
		await host.start();
	});
	afterEach(() => host.stop());

	test("its close frame", async () => {
		const end = await endOf(host.hostname);
		expect(end).toEqual({ fault: "dropped", text: "it closed the connection with 1001" });
	});

	test("its silence", async () => {
		const quiet = new RawHost();
		await quiet.start();
		const timing = new FakeTiming();
		const ended = endOf(quiet.hostname, { timing });
		while (timing.waiting === 0) await Bun.sleep(1);
		timing.pass(120_000);
		expect(await ended).toMatchObject({ fault: "silent" });
		quiet.stop();
	});
});

test.each([
	["ENETUNREACH", "unreachable"],
	["EHOSTUNREACH", "unreachable"],
	["ETIMEDOUT", "timeout"],
	["EMFILE", "internal"],
	["CERT_HAS_EXPIRED", "tls"],
	["UNABLE_TO_VERIFY_LEAF_SIGNATURE", "tls"],
	["ERR_TLS_CERT_ALTNAME_INVALID", "tls"],
	["ERR_SSL_TLSV1_ALERT_INTERNAL_ERROR", "tls"],
	["ECONNRESET", "dropped"],
	["of a later runtime", "dropped"],
	[undefined, "dropped"],
] as const)("an error with the code %s is %s", (code, fault) => {
	const error = Object.assign(new Error("what happened"), { code });
	expect(socketEndOf(error)).toEqual({ fault, text: "what happened" });
	expect(HOST_FAULTS[fault].advice).not.toBe("");
	expect(socketEndOf(Object.assign(error, { syscall: "getaddrinfo" })).fault).toBe("dns");
});

test("a handshake that takes too long is a timeout", () => {
	expect(socketEndOf(new Error("Opening handshake has timed out")).fault).toBe("timeout");
});
