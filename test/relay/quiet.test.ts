import { expect, test } from "bun:test";
import { connect } from "node:net";
import { SimPlc } from "../../src/sim/plc.ts";
import { freePort, RelayProcess } from "../../src/sim/relay-process.ts";
import { Rng } from "../../src/sim/rng.ts";
import { RELAY_COMMAND } from "./rig.ts";

const DESCRIBE_SERVER = "/xrpc/com.atproto.server.describeServer";

/** Answers, by name, that no PDS gives, and at which a runtime may write to the output. */
const ANSWERS: Record<string, string> = {
	"broken-gzip": "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope",
	"broken-br": "HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 4\r\n\r\nnope",
	"broken-zstd": "HTTP/1.1 200 OK\r\nContent-Encoding: zstd\r\nContent-Length: 4\r\n\r\nnope",
	"no-http": "what do you mean?\r\n\r\n",
	nothing: "",
	redirect: "HTTP/1.1 302 Found\r\nLocation: http://localhost:1/\r\nContent-Length: 0\r\n\r\n",
	half: "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
};

test("strangers cause no error lines in the log, and no lines that are not the relay's own", async () => {
	const plc = new SimPlc();
	plc.start();
	const relay = await RelayProcess.create({ command: RELAY_COMMAND, plcUrl: plc.url });
	await relay.start();
	const hosts = Object.values(ANSWERS).map((answer) => {
		const data = (socket: Bun.Socket): void => {
			socket.write(answer);
			socket.end();
		};
		return Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data } });
	});
	try {
		const faults: string[] = [];
		for (const port of [freePort(), ...hosts.map((host) => host.port)]) {
			const asked = relay.requestCrawl(`localhost:${port}`);
			await asked.catch((error: unknown) => faults.push(String(error)));
		}
		expect(faults).toHaveLength(1 + hosts.length);
		expect(faults[0]).toContain("is unreachable: the connection was refused");
		for (const fault of faults)
			expect(fault).not.toMatch(/verbose|Is the computer|Does the server|describeServer fetching/);

		const rng = new Rng("noise");
		const crawl = "POST /xrpc/com.atproto.sync.requestCrawl HTTP/1.1\r\nHost: h\r\n";
		const requests = [
			`${crawl}Content-Length: 2000000\r\n\r\n${"x".repeat(2_000_000)}`,
			`${crawl}Content-Length: 9\r\n\r\n{"a":[[[[`,
			`${crawl}Transfer-Encoding: chunked\r\n\r\nzz\r\n`,
			"GET /xrpc/com.atproto.sync.subscribeRepos?cursor=%ff HTTP/1.1\r\nHost: h\r\n\r\n",
			`GET ${DESCRIBE_SERVER}?${"a".repeat(50_000)} HTTP/1.1\r\nHost: h\r\n\r\n`,
			...Array.from({ length: 50 }, () => Buffer.from(rng.bytes(rng.int(300))).toString("latin1")),
		];
		for (const request of requests) await send(relay.apiPort, request);
		expect(await relay.fault()).toBeNull();
	} finally {
		expect(await relay.stop()).toBe(0);
		for (const host of hosts) host.stop(true);
		await plc.stop();
	}
	const lines = (await Bun.file(relay.logPath).text()).trimEnd().split("\n");
	for (const line of lines) {
		const parsed = JSON.parse(line) as { level: string; message: string };
		expect(parsed.level).not.toBe("error");
	}
	expect(lines.at(-1)).toMatch(/"message":"drained in \d+ ms: all is stored"/);
	await relay.remove();
}, 300_000);

/** Sends a request, and waits until the relay has answered or closed. */
function send(port: number, request: string): Promise<void> {
	return new Promise((resolve) => {
		const socket = connect(port, "127.0.0.1", () => socket.end(Buffer.from(request, "latin1")));
		socket.on("data", () => socket.destroy());
		socket.on("error", () => undefined);
		socket.on("close", () => resolve());
	});
}
