import { afterEach, describe, expect, test } from "bun:test";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { decode, decodeFirst } from "@atcute/cbor";
import WebSocket from "ws";
import { FAR_BEHIND_RECORDS } from "../../src/fanout/consumer.ts";
import { ConsumerCount, type ConsumerLimits, createConsumerCountBuffer } from "../../src/fanout/consumer-count.ts";
import { HEARD_INTERVAL_MS, HEARD_MAX, PING_AFTER_MS, PONG_MS_MAX } from "../../src/fanout/liveness.ts";
import { CONSUMER_MESSAGE_BYTES_MAX, type FanoutOptions, FanoutServer } from "../../src/fanout/server.ts";
import type { Stream } from "../../src/fanout/stream.ts";
import { subscribeRepos } from "../../src/fanout/subscribe-repos.ts";
import { Takedowns } from "../../src/fanout/takedowns.ts";
import { Counters } from "../../src/observe/counters.ts";
import { encodeErrorFrame } from "../../src/protocol/event-frames.ts";
import { Rng } from "../../src/sim/rng.ts";
import { SERVER_NAME } from "../../src/version.ts";
import { counted } from "../observe/counted.ts";
import { exchange } from "../sim/raw-http.ts";
import { MemoryLog, seqOf, seqs } from "./memory-log.ts";

interface Fixture {
	log: MemoryLog;
	server: FanoutServer;
	url: string;
	counted: (name: string) => number;
}

const servers: FanoutServer[] = [];
let nowMs = 0;
/** Longer than any drain takes that ends by itself, on any machine. */
const DRAIN_MS_MAX = 240_000;

function consumerCountOf(limits: Partial<ConsumerLimits>): ConsumerCount {
	return new ConsumerCount({ consumersMax: 100, consumersPerIpMax: 50, ...limits }, createConsumerCountBuffer(100));
}

function startServer(options: Partial<FanoutOptions> = {}): Fixture {
	const log = new MemoryLog();
	const counters = new Counters();
	nowMs = 1_000_000;
	const server = new FanoutServer({
		host: "127.0.0.1",
		port: 0,
		thread: { worker: 0, workers: 1 },
		sharesPort: false,
		streams: [subscribeRepos],
		position: log,
		reader: log,
		app: () => new Response("the app"),
		counters,
		floor: { bytesPerS: 16 * 1024, windowMs: 60_000 },
		takedowns: new Takedowns(new Counters()),
		trustProxy: false,
		consumerCount: consumerCountOf({}),
		clock: () => nowMs,
		...options,
	});
	servers.push(server);
	return {
		log,
		server,
		url: `127.0.0.1:${server.port}${subscribeRepos.path}`,
		counted: (name) => counted(counters).of(name),
	};
}

afterEach(async () => {
	await Promise.all(servers.splice(0).map((server) => server.drain(100)));
});

/** A consumer that keeps all frames. */
class Client {
	readonly socket: WebSocket;
	readonly frames: Uint8Array[] = [];
	readonly closed: Promise<{ code: number; reason: string }>;
	pings = 0;
	#changed = Promise.withResolvers<void>();

	constructor(url: string, headers: Record<string, string> = {}) {
		this.socket = new WebSocket(`ws://${url}`, { headers });
		this.socket.on("message", (data: Buffer) => {
			this.frames.push(new Uint8Array(data));
			this.#change();
		});
		this.socket.on("ping", () => {
			this.pings++;
			this.#change();
		});
		this.closed = new Promise((resolve) => {
			this.socket.on("close", (code: number, reason: Buffer) => resolve({ code, reason: reason.toString() }));
		});
	}

	async opened(): Promise<this> {
		await once(this.socket, "open");
		return this;
	}

	/** Resolves when the condition holds. It is checked whenever a frame has come. */
	async until(condition: () => boolean): Promise<this> {
		while (!condition()) await this.#changed.promise;
		return this;
	}

	get seqs(): number[] {
		return this.frames.map(seqOf);
	}

	#change(): void {
		this.#changed.resolve();
		this.#changed = Promise.withResolvers();
	}
}

/** Resolves when the condition holds. Polls, since there is no event to wait for. */
async function eventually(condition: () => boolean): Promise<void> {
	while (!condition()) await Bun.sleep(1);
}

/** Resolves when a count has not changed over many turns of the event loop. By then the kernel's buffers are full. */
async function still(count: () => number): Promise<void> {
	let before = Number.NaN;
	while (before !== count()) {
		before = count();
		for (let turn = 0; turn < 50; turn++) await Bun.sleep(1);
	}
}

/** Another kind of stream: every third record, as text. Its cursor is the parameter `after`. */
const thirds: Stream = {
	name: "thirds",
	path: "/thirds",
	start(query) {
		const after = query.get("after");
		if (after === null) return { refusal: "`after` is missing" };
		if (after === "never") return { error: "FutureCursor", message: "never" };
		return { cursor: Number(after), first: text("first") };
	},
	encode: (batch, index) => (batch.seq(index) % 3 === 0 ? text(`seq ${batch.seq(index)}`) : null),
	gap: (nextSeq) => text(`gap to ${nextSeq}`),
	error: (name, message) => text(`${name}: ${message}`),
};

function text(words: string): Uint8Array<ArrayBuffer> {
	return Uint8Array.from(Buffer.from(words));
}

describe("two streams", () => {
	const textsOf = (client: Client): string[] => client.frames.map((frame) => Buffer.from(frame).toString());

	function startBoth(): Fixture & { other: string } {
		const fixture = startServer({ streams: [subscribeRepos, thirds] });
		return { ...fixture, other: `127.0.0.1:${fixture.server.port}/thirds` };
	}

	test("are served from one log, each at its path and in its format", async () => {
		const { log, url, other } = startBoth();
		log.appendFrames(12);
		log.lose(log.lsnOf(4), log.lsnOf(8));
		const one = new Client(`${url}?cursor=8`);
		const two = new Client(`${other}?after=1`);
		await one.until(() => one.frames.length === 4);
		await two.until(() => two.frames.length === 5);
		expect(one.seqs).toEqual(seqs(9, 12));
		expect(textsOf(two)).toEqual(["first", "seq 3", "gap to 9", "seq 9", "seq 12"]);
		log.appendFrames(3);
		await one.until(() => one.frames.length === 7);
		await two.until(() => two.frames.length === 6);
		expect(textsOf(two).at(-1)).toBe("seq 15");
	});

	test("refuse requests and end with errors, each with its own messages", async () => {
		const { other } = startBoth();
		const headers = { Connection: "Upgrade", Upgrade: "websocket" };
		const refused = await fetch(`http://${other}`, { headers });
		expect([refused.status, await refused.json()]).toEqual([
			400,
			{ error: "InvalidRequest", message: "`after` is missing" },
		]);
		expect(await (await fetch(`http://${other}?after=1`)).json()).toEqual({
			error: "InvalidRequest",
			message: "thirds is a WebSocket: ask for an upgrade",
		});
		const client = new Client(`${other}?after=never`);
		expect(await client.closed).toEqual({ code: 1008, reason: "FutureCursor" });
		expect(textsOf(client)).toEqual(["FutureCursor: never"]);
	});
});

describe("a subscription", () => {
	test("without a cursor begins at the end of the log", async () => {
		const { log, url } = startServer();
		log.appendFrames(5);
		const clients = await Promise.all([url, `${url}?cursor=`].map((each) => new Client(each).opened()));
		log.appendFrames(3);
		for (const client of clients) {
			await client.until(() => client.frames.length === 3);
			expect(client.seqs).toEqual([6, 7, 8]);
		}
	});

	test("with a cursor begins right after it, and goes on live", async () => {
		const { log, url } = startServer();
		log.appendFrames(100);
		const client = new Client(`${url}?cursor=40`);
		await client.until(() => client.frames.length === 60);
		log.appendFrames(10);
		await client.until(() => client.frames.length === 70);
		expect(client.seqs).toEqual(seqs(41, 110));
	});

	test("at the last seq has nothing to replay", async () => {
		const { log, url } = startServer();
		log.appendFrames(3);
		const client = await new Client(`${url}?cursor=3`).opened();
		log.appendFrame();
		await client.until(() => client.frames.length === 1);
		expect(client.seqs).toEqual([4]);
	});

	test("from 0 gets all retained messages, without an #info", async () => {
		const { log, url } = startServer();
		log.appendFrames(10);
		log.retainFrom(4);
		const client = new Client(`${url}?cursor=0`);
		await client.until(() => client.frames.length === 7);
		expect(client.seqs).toEqual(seqs(4, 10));
	});

	test("from before the oldest message gets an #info and all retained messages", async () => {
		const { log, url } = startServer();
		log.appendFrames(10);
		log.retainFrom(4);
		const client = new Client(`${url}?cursor=2`);
		await client.until(() => client.frames.length === 8);
		const [header, payload] = decodeFirst(client.frames.shift() ?? new Uint8Array());
		expect(header).toEqual({ op: 1, t: "#info" });
		expect(decode(payload)).toMatchObject({ name: "OutdatedCursor" });
		expect(client.seqs).toEqual(seqs(4, 10));
	});

	test("from the future gets an error frame and is closed", async () => {
		const { log, url, counted } = startServer();
		log.appendFrames(3);
		const client = new Client(`${url}?cursor=4`);
		expect(await client.closed).toEqual({ code: 1008, reason: "FutureCursor" });
		expect(client.frames).toEqual([new Uint8Array(encodeErrorFrame("FutureCursor", "Cursor in the future."))]);
		await eventually(() => counted("consumers_connected") === 0);
	});

	test("works for the global WebSocket too", async () => {
		const { log, url } = startServer();
		log.appendFrames(2);
		const socket = new globalThis.WebSocket(`ws://${url}?cursor=1`);
		socket.binaryType = "arraybuffer";
		const frame = await new Promise<ArrayBuffer>((resolve) => {
			socket.onmessage = (event) => resolve(event.data as ArrayBuffer);
		});
		expect(seqOf(new Uint8Array(frame))).toBe(2);
		socket.close();
	});

	test("with other subscriptions at different cursors: each gets its own messages", async () => {
		const { log, url } = startServer();
		log.appendFrames(500, 2_000);
		const clients = seqs(0, 19).map((index) => new Client(`${url}?cursor=${index * 25}`));
		for (let appended = 500; appended < 1_000; appended++) {
			log.appendFrame(2_000);
			if (appended % 50 === 0) await new Promise(setImmediate);
		}
		for (const [index, client] of clients.entries()) {
			await client.until(() => client.frames.length >= 1_000 - index * 25);
			expect(client.seqs).toEqual(seqs(index * 25 + 1, 1_000));
		}
	});
});

describe("the answer to a request that is not a subscription", () => {
	const answerTo = async (path: string, init: RequestInit = {}): Promise<[number, unknown]> => {
		const { url } = startServer();
		const response = await fetch(`http://${url}${path}`, init);
		expect(response.headers.get("server")).toBe(SERVER_NAME);
		return [response.status, await response.json()];
	};
	const upgrade = { headers: { Upgrade: "websocket", Connection: "Upgrade" } };

	test.each(["-1", "abc", "1.5", "9007199254740992"])("cursor %p is 400", async (cursor) => {
		const [status, body] = await answerTo(`?cursor=${cursor}`, upgrade);
		expect(status).toBe(400);
		expect(body).toEqual({ error: "InvalidRequest", message: expect.stringContaining("2^53-1") });
	});

	test("a request without an upgrade is 426", async () => {
		const [status, body] = await answerTo("");
		expect(status).toBe(426);
		expect(body).toMatchObject({ error: "InvalidRequest" });
	});

	test("a POST is 405", async () => {
		const [status, body] = await answerTo("", { method: "POST" });
		expect(status).toBe(405);
		expect(body).toMatchObject({ error: "InvalidRequest" });
	});

	test("a handshake without its key is 400", async () => {
		const [status, body] = await answerTo("", upgrade);
		expect(status).toBe(400);
		expect(body).toMatchObject({ message: expect.stringContaining("handshake") });
	});

	test("the app is told the client's address, within bounds, and gets a URL that parses", async () => {
		const asked: [url: string, ip: string][] = [];
		const app = (request: Request, { ip }: { ip: string }): Response => {
			asked.push([request.url, ip]);
			return new Response();
		};
		const { server } = startServer({ app, trustProxy: true });
		const ask = (headers: string): Promise<string> =>
			exchange(server.port, `GET /a?b HTTP/1.1\r\n${headers}Connection: close\r\n\r\n`);
		await ask("Host: relay.test\r\nX-Forwarded-For: 192.0.2.1, 2001:db8::1\r\n");
		await ask(`Host: h:99999\r\nX-Forwarded-For: ${"x".repeat(5_000)}\r\n`);
		await ask("Host: \r\n");
		expect(asked).toEqual([
			["http://relay.test/a?b", "2001:db8::1"],
			["http://localhost/a?b", "x".repeat(100)],
			["http://localhost/a?b", "127.0.0.1"],
		]);
	});

	test("everything else goes to the app", async () => {
		const { server } = startServer();
		const response = await fetch(`http://127.0.0.1:${server.port}/other`);
		expect(await response.text()).toBe("the app");
	});
});

describe("limits", () => {
	/** The status and body of a refused upgrade. */
	async function refusal(url: string, headers: Record<string, string> = {}): Promise<[number, string, string | null]> {
		const response = await fetch(`http://${url}`, {
			headers: { Upgrade: "websocket", Connection: "Upgrade", ...headers },
		});
		return [response.status, await response.text(), response.headers.get("retry-after")];
	}

	test("per address, until a place is given back", async () => {
		const { url, counted } = startServer({ consumerCount: consumerCountOf({ consumersPerIpMax: 2 }) });
		const clients = [await new Client(url).opened(), await new Client(url).opened()];
		const [status, body, retryAfter] = await refusal(url);
		expect([status, retryAfter]).toEqual([429, "30"]);
		expect(JSON.parse(body)).toMatchObject({
			error: "RateLimitExceeded",
			message: expect.stringContaining("2 consumers from your address"),
		});
		expect(counted("consumers_refused_total")).toBe(1);
		clients[0]?.socket.close();
		await eventually(() => counted("consumers_connected") === 1);
		await new Client(url).opened();
		expect(counted("consumers_connected")).toBe(2);
	});

	test("in total", async () => {
		const { url } = startServer({ consumerCount: consumerCountOf({ consumersMax: 1 }) });
		await new Client(url).opened();
		const [status, body] = await refusal(url);
		expect(status).toBe(429);
		expect(body).toContain("limit of 1 consumers");
	});

	test("count the address that a trusted proxy saw, whatever the consumer claims", async () => {
		const { url } = startServer({ consumerCount: consumerCountOf({ consumersPerIpMax: 1 }), trustProxy: true });
		await new Client(url, { "X-Forwarded-For": "203.0.113.1" }).opened();
		await new Client(url, { "X-Forwarded-For": "203.0.113.2" }).opened();
		const [status] = await refusal(url, { "X-Forwarded-For": "203.0.113.77, 203.0.113.1" });
		expect(status).toBe(429);
	});

	test("ignore the proxy's header if it is not trusted", async () => {
		const { url } = startServer({ consumerCount: consumerCountOf({ consumersPerIpMax: 1 }) });
		await new Client(url, { "X-Forwarded-For": "203.0.113.1" }).opened();
		const [status] = await refusal(url, { "X-Forwarded-For": "203.0.113.2" });
		expect(status).toBe(429);
	});
});

/** A consumer without a WebSocket library. It reads only when told to. */
class RawClient {
	readonly socket: Socket;
	head = "";
	#bytes = Buffer.alloc(0);
	/** First byte and payload of each WebSocket frame. */
	readonly frames: { opcode: number; payload: Buffer }[] = [];

	constructor(port: number, path: string, headers = "", host = "relay") {
		this.socket = connect(port, "127.0.0.1");
		this.socket.on("data", (data: Buffer) => this.#take(data));
		this.socket.write(
			`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${headers}Upgrade: websocket\r\nConnection: Upgrade\r\n` +
				"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
		);
	}

	#take(data: Buffer): void {
		this.#bytes = Buffer.concat([this.#bytes, data]);
		if (this.head === "") {
			const end = this.#bytes.indexOf("\r\n\r\n");
			if (end === -1) return;
			this.head = this.#bytes.toString("latin1", 0, end);
			this.#bytes = this.#bytes.subarray(end + 4);
		}
		for (;;) {
			const short = (this.#bytes[1] ?? 0) & 127;
			const headBytes = short === 126 ? 4 : short === 127 ? 10 : 2;
			if (this.#bytes.length < headBytes) return;
			const length =
				short === 126 ? this.#bytes.readUInt16BE(2) : short === 127 ? Number(this.#bytes.readBigUInt64BE(2)) : short;
			if (this.#bytes.length < headBytes + length) return;
			const payload = this.#bytes.subarray(headBytes, headBytes + length);
			this.frames.push({ opcode: (this.#bytes[0] ?? 0) & 15, payload: Buffer.from(payload) });
			this.#bytes = this.#bytes.subarray(headBytes + length);
		}
	}
}

const BINARY = 2;
const CLOSE = 8;
const PING = 9;

describe("on the wire", () => {
	test("the upgrade names the relay, so that other relays recognise it", async () => {
		const { server, url } = startServer();
		const client = new RawClient(server.port, url.slice(url.indexOf("/")));
		await eventually(() => client.head !== "");
		expect(client.head).toStartWith("HTTP/1.1 101");
		expect(client.head.split("\r\n")).toContain(`Server: ${SERVER_NAME}`);
		expect(client.head.toLowerCase()).not.toContain("sec-websocket-extensions");
		client.socket.destroy();
	});

	test("no protocol is confirmed, whatever a consumer asks for", async () => {
		const { server, url } = startServer();
		for (const protocol of ["graphql-ws", "a, b", "atproto"]) {
			const path = url.slice(url.indexOf("/"));
			const client = new RawClient(server.port, path, `Sec-WebSocket-Protocol: ${protocol}\r\n`);
			await eventually(() => client.head !== "");
			expect(client.head).toStartWith("HTTP/1.1 101");
			expect(client.head.toLowerCase()).not.toContain("sec-websocket-protocol");
			client.socket.destroy();
		}
	});

	test("a consumer may send a malformed Host", async () => {
		const { server, log, url } = startServer();
		const client = new RawClient(server.port, url.slice(url.indexOf("/")), "", "h:99999");
		await eventually(() => client.head !== "");
		log.appendFrame();
		await eventually(() => client.frames.length === 1);
		client.socket.destroy();
	});

	test("a consumer that stops reading for a while gets everything once, in order", async () => {
		const { log, server, url, counted } = startServer();
		const client = new RawClient(server.port, `${url.slice(url.indexOf("/"))}?cursor=0`);
		await eventually(() => client.head !== "");
		client.socket.pause();
		for (let round = 0; round < 60; round++) {
			log.appendFrames(40, 10_000);
			await new Promise(setImmediate);
		}
		await eventually(() => counted("consumers_slow_total") > 0);
		const sentWhilePaused = counted("frames_sent_total");
		expect(sentWhilePaused).toBeLessThan(2_400);
		client.socket.resume();
		await eventually(() => client.frames.length >= 2_400);
		expect(client.frames.map(({ payload }) => seqOf(payload))).toEqual(seqs(1, 2_400));
		expect(client.frames.every(({ opcode }) => opcode === BINARY)).toBe(true);
		client.socket.destroy();
		await eventually(() => counted("consumers_connected") === 0);
	});

	test("a consumer that stopped reading delays no other", async () => {
		const { log, server, url } = startServer();
		const stuck = new RawClient(server.port, `${url.slice(url.indexOf("/"))}?cursor=0`);
		await eventually(() => stuck.head !== "");
		stuck.socket.pause();
		const client = new Client(`${url}?cursor=0`);
		log.appendFrames(2_000, 10_000);
		await client.until(() => client.frames.length === 2_000);
		expect(client.seqs).toEqual(seqs(1, 2_000));
		stuck.socket.destroy();
	});
});

describe("keeping alive", () => {
	test("a silent consumer is pinged, and one that answers stays", async () => {
		const { server, url, log } = startServer();
		const client = await new Client(url).opened();
		for (let round = 1; round <= 4; round++) {
			nowMs += PING_AFTER_MS;
			server.check();
			await client.until(() => client.pings === round);
			// The answer to the test's own ping, on the same socket, shows that the pong before it has arrived.
			client.socket.ping();
			await once(client.socket, "pong");
		}
		log.appendFrame();
		await client.until(() => client.frames.length === 1);
	});

	test("one that doesn't answer is cut off", async () => {
		const { server, url, counted } = startServer();
		const client = new RawClient(server.port, url.slice(url.indexOf("/")));
		await eventually(() => client.head !== "" && counted("consumers_connected") === 1);
		nowMs += PING_AFTER_MS;
		server.check();
		await eventually(() => client.frames.length === 1);
		expect(client.frames[0]?.opcode).toBe(PING);
		nowMs += PONG_MS_MAX;
		server.check();
		await once(client.socket, "close");
		expect(counted("consumers_connected")).toBe(0);
	});

	test("what a consumer sends is thrown away", async () => {
		const { url, log } = startServer();
		const client = await new Client(url).opened();
		client.socket.send("hello");
		client.socket.send(new Uint8Array(1_000));
		client.socket.ping();
		await once(client.socket, "pong");
		log.appendFrame();
		await client.until(() => client.frames.length === 1);
		expect(client.seqs).toEqual([1]);
	});

	test("a message of any size up to the limit is thrown away, a longer one closes", async () => {
		const { url, log, counted } = startServer();
		const client = await new Client(url).opened();
		const rng = new Rng("consumer messages");
		const lengths = [
			0,
			4_097,
			CONSUMER_MESSAGE_BYTES_MAX,
			...Array.from({ length: 50 }, () => rng.int(CONSUMER_MESSAGE_BYTES_MAX)),
		];
		for (const length of lengths) client.socket.send(new Uint8Array(length), { binary: rng.int(2) === 0 });
		client.socket.ping();
		await once(client.socket, "pong");
		log.appendFrame();
		await client.until(() => client.frames.length === 1);
		client.socket.on("error", () => undefined);
		client.socket.send(new Uint8Array(CONSUMER_MESSAGE_BYTES_MAX + 1));
		await client.closed;
		expect(counted("consumers_noisy_total")).toBe(0);
	});

	test("a consumer that sends too many is closed with 1008, others are not", async () => {
		const { url, log, counted } = startServer();
		const [quiet, noisy] = [await new Client(url).opened(), await new Client(url).opened()];
		for (let count = 0; count < HEARD_MAX; count++) noisy.socket.send("hello");
		noisy.socket.ping();
		expect(await noisy.closed).toEqual({ code: 1008, reason: "too many messages" });
		log.appendFrame();
		await quiet.until(() => quiet.frames.length === 1);
		expect(counted("consumers_noisy_total")).toBe(1);
	});

	test("a consumer that sends as many in more time stays", async () => {
		const { url, log } = startServer();
		const client = await new Client(url).opened();
		for (let round = 0; round < 4; round++) {
			for (let count = 0; count < HEARD_MAX - 1; count++) client.socket.send("hello");
			client.socket.ping();
			await once(client.socket, "pong");
			nowMs += HEARD_INTERVAL_MS;
		}
		log.appendFrame();
		await client.until(() => client.frames.length === 1);
	});
});

describe("a consumer that is too slow", () => {
	test("gets an error frame after all that it was sent, and 1008, when it reads on", async () => {
		const { log, server, url, counted } = startServer({ floor: { bytesPerS: 16 * 1024, windowMs: 20_000 } });
		const client = new RawClient(server.port, `${url.slice(url.indexOf("/"))}?cursor=0`);
		await eventually(() => client.head !== "");
		client.socket.pause();
		log.appendFrames(FAR_BEHIND_RECORDS + 3_000, 6_000);
		await eventually(() => counted("consumers_slow_total") > 0);
		await still(() => counted("frames_sent_total"));
		// In the first window the kernel's buffers took megabytes, in the second nothing.
		for (const tooSlow of [0, 1]) {
			nowMs += 20_000;
			server.check();
			expect(counted("consumers_too_slow_total")).toBe(tooSlow);
		}
		const sent = counted("frames_sent_total");
		expect(sent).toBeLessThan(3_000);

		client.socket.resume();
		await eventually(() => client.frames.at(-1)?.opcode === CLOSE);
		const [error, close] = client.frames.splice(-2);
		expect(close?.payload.readUInt16BE(0)).toBe(1008);
		expect(close?.payload.toString("latin1", 2)).toBe("ConsumerTooSlow");
		const [header, payload] = decodeFirst(error?.payload ?? new Uint8Array());
		expect(header).toEqual({ op: -1 });
		expect(decode(payload)).toMatchObject({ error: "ConsumerTooSlow" });
		expect(client.frames.map(({ payload }) => seqOf(payload))).toEqual(seqs(1, sent));
		await eventually(() => counted("consumers_connected") === 0);
	});
});

describe("a drain", () => {
	test("sends what is published, and closes with 1001", async () => {
		const { log, server, url } = startServer();
		const clients = await Promise.all([url, `${url}?cursor=0`].map((each) => new Client(each).opened()));
		log.appendFrames(3_000, 1_000);
		await server.drain(DRAIN_MS_MAX);
		for (const client of clients) {
			expect(await client.closed).toEqual({ code: 1001, reason: "relay is shutting down" });
			expect(client.seqs).toEqual(seqs(1, 3_000));
		}
	});

	test("lets a slow consumer finish", async () => {
		const { log, server, url, counted } = startServer();
		const client = new RawClient(server.port, `${url.slice(url.indexOf("/"))}?cursor=0`);
		await eventually(() => client.head !== "");
		client.socket.pause();
		log.appendFrames(2_000, 10_000);
		await eventually(() => counted("consumers_slow_total") > 0);
		const drained = server.drain(DRAIN_MS_MAX);
		client.socket.resume();
		await drained;
		await eventually(() => client.frames.at(-1)?.opcode === CLOSE);
		const close = client.frames.pop();
		expect(close?.payload.readUInt16BE(0)).toBe(1001);
		expect(client.frames.map(({ payload }) => seqOf(payload))).toEqual(seqs(1, 2_000));
	});

	test("cuts off consumers that don't read in time", async () => {
		const { log, server, url, counted } = startServer();
		const client = new RawClient(server.port, `${url.slice(url.indexOf("/"))}?cursor=0`);
		await eventually(() => client.head !== "");
		client.socket.pause();
		log.appendFrames(2_000, 10_000);
		await eventually(() => counted("consumers_slow_total") > 0);
		await server.drain(50);
		expect(counted("consumers_connected")).toBe(0);
		client.socket.destroy();
	});

	test("refuses new consumers", async () => {
		const { log, server, url, counted } = startServer();
		const client = new RawClient(server.port, `${url.slice(url.indexOf("/"))}?cursor=0`);
		await eventually(() => client.head !== "");
		client.socket.pause();
		log.appendFrames(2_000, 10_000);
		await eventually(() => counted("consumers_slow_total") > 0);
		const drained = server.drain(DRAIN_MS_MAX);
		const response = await fetch(`http://${url}`, { headers: { Upgrade: "websocket", Connection: "Upgrade" } });
		expect(response.status).toBe(503);
		expect(response.headers.get("retry-after")).toBe("30");
		client.socket.destroy();
		await drained;
	});
});
