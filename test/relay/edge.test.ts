import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { once } from "node:events";
import WebSocket from "ws";
import { HEARD_MAX } from "../../src/fanout/liveness.ts";
import { CONSUMER_MESSAGE_BYTES_MAX } from "../../src/fanout/server.ts";
import { SimPlc } from "../../src/sim/plc.ts";
import { RelayProcess } from "../../src/sim/relay-process.ts";
import { Rng } from "../../src/sim/rng.ts";
import { answerHead, exchange, provoke } from "../sim/raw-http.ts";
import { RELAY_COMMAND } from "./rig.ts";

const SUBSCRIBE = "/xrpc/com.atproto.sync.subscribeRepos";
const CRAWL = "/xrpc/com.atproto.sync.requestCrawl";
const PATHS = [
	"/",
	"/_health",
	"/_readyz",
	"/metrics",
	"/_stats",
	SUBSCRIBE,
	CRAWL,
	"/admin/pds/requestCrawl",
	"//x/y",
];
const REQUESTS = 600;
const AT_ONCE = 20;
/** How long an incomplete request is waited for. No verdict depends on it: a later answer is not looked at. */
const QUIET_MS = 100;

const plc = new SimPlc();
let relay: RelayProcess;
let ports: { api: number; internal: number };

beforeAll(async () => {
	plc.start();
	relay = await RelayProcess.create({ command: RELAY_COMMAND, plcUrl: plc.url });
	await relay.start();
	ports = { api: relay.apiPort, internal: relay.internalPort };
});
afterAll(async () => {
	await relay.stop();
	await relay.remove();
	await plc.stop();
});

const fromBoth = (request: string): Promise<string[]> =>
	Promise.all([ports.api, ports.internal].map((port) => exchange(port, request)));

/** Both ports' answers about health. @param rest of the request, after the path */
const healthAtBoth = (rest: string): Promise<string[]> =>
	Promise.all([exchange(ports.api, `GET /_health${rest}`), exchange(ports.internal, `GET /_readyz${rest}`)]);

describe("health, as load balancers ask for it", () => {
	test.each([
		["without a Host", " HTTP/1.0\r\n\r\n"],
		["with an empty Host", " HTTP/1.1\r\nHost: \r\nConnection: close\r\n\r\n"],
		["with a Host that is none", " HTTP/1.1\r\nHost: h:99999\r\nConnection: close\r\n\r\n"],
	])("%s", async (_what, rest) => {
		for (const answer of await healthAtBoth(rest)) {
			expect(answer).toStartWith("HTTP/1.1 200");
			expect(answer).toContain('"status":"ok"');
		}
	});
});

/** Something close to a request: each part is drawn from right values, odd values and noise. */
function drawRequest(rng: Rng): string {
	const noise = (max: number): string => Buffer.from(rng.bytes(rng.int(max))).toString("latin1");
	if (rng.int(20) === 0) return noise(400);
	const method = rng.pick(["GET", "GET", "POST", "HEAD", "OPTIONS", "CONNECT", "TRACE", "PUT", "FOO", noise(6)]);
	const path = rng.pick(PATHS);
	const read = rng.pick(["listRepos", "listHosts", "getRepoStatus", "getRepo", "getLatestCommit", "getHostStatus"]);
	const target = rng.pick([
		path,
		path,
		`/xrpc/com.atproto.sync.${read}`,
		"*",
		"h:1",
		"http://h:99999/_health",
		noise(20),
	]);
	const query = rng.pick(["", "", "?cursor=-1", "?limit=1000", "?did=%zz", "?hostname=xn--a", `?${noise(30)}`]);
	const host = rng.pick([
		"Host: relay\r\n",
		"",
		"Host: \r\n",
		"Host: h:99999\r\n",
		"Host: a b\r\n",
		`Host: ${noise(10)}\r\n`,
	]);
	const extras = [
		"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
		"Access-Control-Request-Headers: a, b\r\nOrigin: null\r\n",
		"Content-Length: -1\r\n",
		"Content-Length: 99999999999\r\n",
		"Transfer-Encoding: chunked\r\n",
		"Authorization: Basic %%%\r\n",
		"X-Forwarded-For: ,,\r\n",
		`X-Noise: ${noise(50)}\r\n`,
		`X-Long: ${"a".repeat(rng.int(30_000))}\r\n`,
	];
	const headers = Array.from({ length: rng.int(4) }, () => rng.pick(extras)).join("");
	const body = rng.pick(["", "", "{}", '{"hostname":"xn--a.com"}', "zz\r\n", `5\r\n${noise(5)}\r\n`, noise(300)]);
	const version = rng.pick(["1.1", "1.1", "1.1", "1.0", "9.9", noise(3)]);
	return `${method} ${target}${query} HTTP/${version}\r\n${host}${headers}\r\n${body}`;
}

test("whatever bytes come, no answer shows a stack or a page of HTML, and the next request is answered", async () => {
	const rng = new Rng("edge");
	const statuses = new Map<string, number>();
	for (let sent = 0; sent < REQUESTS; sent += AT_ONCE) {
		const requests = Array.from({ length: AT_ONCE }, () => drawRequest(rng));
		const answers = await Promise.all(
			requests.map((request, at) => provoke(at % 2 === 0 ? ports.api : ports.internal, request, QUIET_MS)),
		);
		for (const [at, answer] of answers.entries()) {
			const shown = JSON.stringify(requests[at]).slice(0, 500);
			if (/^HTTP\/1\.1 500|<html|<!doctype|node_modules|at async/i.test(answer)) throw new Error(`${shown}: ${answer}`);
			const status = answer.slice(9, 12);
			statuses.set(status, (statuses.get(status) ?? 0) + 1);
		}
	}
	// Some of the requests reached the handlers, not only the parser.
	for (const status of ["200", "400", "404", "405"]) expect(statuses.get(status)).toBeGreaterThan(0);
	for (const answer of await healthAtBoth(" HTTP/1.0\r\n\r\n")) expect(answer).toStartWith("HTTP/1.1 200");
	const { counters } = await relay.stats();
	expect(counters.of("http_failures_total")).toBe(0);
	expect(await Bun.file(relay.logPath).text()).not.toContain('"level":"error"');
}, 300_000);

test("CONNECT is answered and closed", async () => {
	for (const answer of await fromBoth("CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n"))
		expect(answer).toStartWith("HTTP/1.1 405");
});

test("an error names the path", async () => {
	for (const answer of await fromBoth("GET /a/b HTTP/1.0\r\n\r\n"))
		expect(answer).toContain("there is nothing at /a/b");
});

test("every answer may be read from any origin", async () => {
	const upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\n";
	const requests: [string, number][] = [
		["GET / HTTP/1.0\r\n\r\n", 200],
		["OPTIONS / HTTP/1.0\r\n\r\n", 204],
		["GET /xrpc/com.atproto.sync.getRepoStatus HTTP/1.0\r\n\r\n", 400],
		["GET /nothing HTTP/1.0\r\n\r\n", 404],
		[`POST ${SUBSCRIBE} HTTP/1.0\r\n\r\n`, 405],
		[`GET ${CRAWL} HTTP/1.0\r\n\r\n`, 405],
		["CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", 405],
		[`POST ${CRAWL} HTTP/1.1\r\nHost: h\r\nContent-Length: 20000\r\n\r\n`, 413],
		[`POST ${CRAWL} HTTP/1.1\r\nHost: h\r\nContent-Length: 999999\r\n\r\n`, 413],
		["POST /admin/pds/requestCrawl HTTP/1.0\r\n\r\n", 401],
		[`GET ${SUBSCRIBE} HTTP/1.0\r\n\r\n`, 426],
		[`GET ${SUBSCRIBE}?cursor=x HTTP/1.1\r\nHost: h\r\n${upgrade}\r\n`, 400],
		["GET /xrpc/nothing HTTP/1.0\r\n\r\n", 501],
	];
	for (const [request, status] of requests) {
		const answer = await answerHead(ports.api, request);
		expect(answer).toStartWith(`HTTP/1.1 ${status}`);
		expect(answer.toLowerCase()).toContain("access-control-allow-origin: *");
	}
});

test("a handshake that asks for a protocol gets none", async () => {
	const handshake =
		`GET ${SUBSCRIBE} HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n` +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: graphql-ws\r\n\r\n";
	const answer = await answerHead(ports.api, handshake);
	expect(answer).toStartWith("HTTP/1.1 101");
	expect(answer.toLowerCase()).not.toContain("sec-websocket-protocol");
});

describe("a consumer that sends messages", () => {
	async function connect(): Promise<{ socket: WebSocket; closed: Promise<number> }> {
		const socket = new WebSocket(`${relay.firehoseOrigin}${SUBSCRIBE}`);
		socket.on("error", () => undefined);
		const closed = new Promise<number>((resolve) => socket.on("close", resolve));
		await once(socket, "open");
		return { socket, closed };
	}

	test("may send up to 64 KiB in a message", async () => {
		const { socket, closed } = await connect();
		for (const length of [0, 4_097, 20_000, CONSUMER_MESSAGE_BYTES_MAX]) socket.send(new Uint8Array(length));
		socket.ping();
		await once(socket, "pong");
		socket.send(new Uint8Array(CONSUMER_MESSAGE_BYTES_MAX + 1));
		await closed;
	});

	test("is closed with 1008 if it sends too many, and no other is", async () => {
		const [quiet, noisy] = [await connect(), await connect()];
		// Waits for the close, however slow the machine is.
		while (noisy.socket.readyState === WebSocket.OPEN) {
			for (let count = 0; count <= HEARD_MAX; count++) noisy.socket.send("hello");
			await Bun.sleep(100);
		}
		expect(await noisy.closed).toBe(1008);
		quiet.socket.ping();
		await once(quiet.socket, "pong");
		quiet.socket.close();
		expect((await relay.stats()).counters.of("consumers_noisy_total")).toBe(1);
	});
});
