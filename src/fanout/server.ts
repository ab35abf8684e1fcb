// fanout/: the public port, and how consumers get messages out of the log. It never waits for a consumer.

import { createEdge, withUrl } from "../http/edge.ts";
import { errorResponse } from "../http/response.ts";
import type { LogSpan, Position, PublishedSpan, RecordReader } from "../log/log.ts";
import type { Counters } from "../observe/counters.ts";
import { counter, gauge } from "../observe/metric.ts";
import { contain } from "../runtime/boundary.ts";
import { endThreadOnFailure } from "../runtime/thread.ts";
import { SERVER_NAME } from "../version.ts";
import { BACKPRESSURE_BYTES_MAX, Consumer } from "./consumer.ts";
import type { ConsumerCount } from "./consumer-count.ts";
import type { PaceFloor } from "./pace.ts";
import { Pump } from "./pump.ts";
import type { Stream, StreamError, StreamStart } from "./stream.ts";
import type { Takedowns } from "./takedowns.ts";

const consumersRefused = counter(
	"consumers_refused_total",
	"consumers refused since a limit on their number was reached",
);
const consumersConnected = gauge("consumers_connected", "consumers connected now");

/**
 * Consumers have nothing to say: what they send is read and thrown away. A longer message is not, and ends the connection:
 * the runtime holds a message in memory until it is complete.
 */
export const CONSUMER_MESSAGE_BYTES_MAX = 64 * 1024;
/** Where a consumer asks for a protocol, the runtime would confirm it. We speak none: frames are binary, by the lexicon. */
const UPGRADE_HEADERS = { Server: SERVER_NAME, "Sec-WebSocket-Protocol": "" };
/** Longer than any address, with a zone or a port. It is a key of what is counted by address. */
const ADDRESS_CHARS_MAX = 100;
const CHECK_INTERVAL_MS = 5_000;
/** What a refused consumer is told to wait. */
const RETRY_AFTER_S = 30;

export interface FanoutOptions {
	/** Address to listen at, such as `0.0.0.0`. */
	host: string;
	/** 0 lets the system choose. */
	port: number;
	/** Whether other threads listen on the port too. Then another program that does the same is not noticed here. */
	sharesPort: boolean;
	/** Each has a path of its own. */
	streams: readonly Stream[];
	position: Position;
	reader: RecordReader;
	/** Counts the consumers of all threads that listen on the port. */
	consumerCount: ConsumerCount;
	/** Answers everything but the streams. `request.url` parses; `ip` is the sender's address. */
	app: (request: Request, client: { ip: string }) => Response | Promise<Response>;
	counters: Counters;
	/** What consumers that are far behind have to take. */
	floor: PaceFloor;
	takedowns: Takedowns;
	/** Believe `X-Forwarded-For`: only where a proxy stands before the relay and sets it. */
	trustProxy: boolean;
	/** Monotonic milliseconds. */
	clock?: () => number;
}

/** What a socket carries from its upgrade on. */
interface SocketData {
	ip: string;
	stream: Stream;
	start: StreamStart | StreamError;
	/** The log as the request found it. */
	span: PublishedSpan;
	/** Set by `open`, but where the stream ended before it began. */
	consumer: Consumer | null;
}

type Socket = Bun.ServerWebSocket<SocketData>;

/**
 * Serves streams, and `app` beside them, on one port, from its making on. Where it shares the port with other threads, the kernel
 * spreads the connections.
 */
export class FanoutServer {
	readonly #options: FanoutOptions;
	readonly #streams: ReadonlyMap<string, Stream>;
	readonly #pump: Pump;
	readonly #clock: () => number;
	readonly #server: Bun.Server<SocketData>;
	readonly #checks: Timer;
	#isDraining = false;

	constructor(options: FanoutOptions) {
		this.#options = options;
		this.#streams = new Map(options.streams.map((stream) => [stream.path, stream]));
		this.#pump = new Pump(options.position, options.reader);
		this.#clock = options.clock ?? (() => performance.now());
		this.#server = Bun.serve<SocketData>({
			hostname: options.host,
			port: options.port,
			reusePort: options.sharesPort,
			...createEdge<SocketData, Response | undefined>(
				(request, url, server) => this.#answer(request, url, server),
				options.counters,
			),
			websocket: this.#webSocket(),
		});
		this.#checks = setInterval(() => contain("the consumers' check", () => this.check()), CHECK_INTERVAL_MS);
		endThreadOnFailure(this.#pump.follow());
	}

	get port(): number {
		return this.#server.port ?? this.#options.port;
	}

	/** Closes connections that had their answer and ask for nothing more. */
	closeIdle(): void {
		this.#server.closeIdleConnections();
	}

	/** Pings the silent, gives up the dead. The server does it itself every 5 seconds. */
	check(): void {
		this.#pump.check();
	}

	/** Sends consumers what is published, closes them with 1001, and stops listening. Who has not taken it in time is cut off. */
	async drain(timeoutMs: number): Promise<void> {
		this.#isDraining = true;
		await this.#pump.drain(1001, "relay is shutting down", timeoutMs);
		clearInterval(this.#checks);
		await this.#server.stop(true);
	}

	#answer(
		request: Request,
		url: URL,
		server: Bun.Server<SocketData>,
	): Response | undefined | Promise<Response | undefined> {
		const ip = addressOf(request, server.requestIP(request)?.address ?? "unknown", this.#options.trustProxy);
		const stream = request.method === "OPTIONS" ? undefined : this.#streams.get(url.pathname);
		if (stream === undefined) return this.#options.app(withUrl(request, url), { ip });
		const span = this.#options.position.snapshot();
		const start = startOf(stream, request, url, span);
		if (start instanceof Response) return start;
		return this.#upgrade(request, server, { ip, stream, start, span, consumer: null });
	}

	#upgrade(request: Request, server: Bun.Server<SocketData>, data: SocketData): Response | undefined {
		const { consumerCount, counters } = this.#options;
		if (this.#isDraining) return refuse(503, "ServiceUnavailable", "the relay is shutting down");
		const limit = consumerCount.take(data.ip);
		if (limit !== null) {
			counters.add(consumersRefused);
			return refuse(429, "RateLimitExceeded", limit);
		}
		if (server.upgrade(request, { data, headers: UPGRADE_HEADERS })) return undefined;
		consumerCount.release(data.ip);
		return errorResponse(400, "InvalidRequest", "the WebSocket handshake is malformed (RFC 6455, section 4.2.1)");
	}

	#webSocket(): Bun.WebSocketHandler<SocketData> {
		const { counters, consumerCount } = this.#options;
		const heard = ({ data }: Socket): void => {
			contain("a consumer's message", () => data.consumer?.heard());
		};
		return {
			perMessageDeflate: false,
			maxPayloadLength: CONSUMER_MESSAGE_BYTES_MAX,
			backpressureLimit: BACKPRESSURE_BYTES_MAX,
			// Both are the consumer's own business: it knows a quiet stream from a dead consumer.
			idleTimeout: 0,
			sendPings: false,
			open: (socket) => {
				counters.add(consumersConnected);
				if (!contain("a consumer's start", () => this.#begin(socket))) socket.close(1011, "internal error");
			},
			message: heard,
			ping: heard,
			pong: heard,
			drain: ({ data: { consumer } }) => {
				contain("a consumer's drain", () => {
					if (consumer?.drained()) this.#pump.wake(consumer);
				});
			},
			close: ({ data: { ip, consumer } }) => {
				counters.add(consumersConnected, -1);
				consumerCount.release(ip);
				if (consumer !== null) contain("a consumer's end", () => this.#pump.remove(consumer));
			},
		};
	}

	#begin(socket: Socket): void {
		const { stream, start, span } = socket.data;
		if ("error" in start) {
			socket.sendBinary(stream.error(start.error, start.message));
			socket.close(1008, start.error);
			return;
		}
		const { floor, takedowns, counters } = this.#options;
		const consumer = new Consumer({
			...{ socket, stream, cursor: start.cursor, span, floor, takedowns, counters },
			clock: this.#clock,
		});
		socket.data.consumer = consumer;
		if (start.first !== null) consumer.announce(start.first);
		this.#pump.add(consumer);
	}
}

/** Where a request for a stream begins, or why it can't be one. */
function startOf(stream: Stream, request: Request, url: URL, span: LogSpan): StreamStart | StreamError | Response {
	if (request.method !== "GET") {
		return errorResponse(405, "InvalidRequest", `${stream.name} takes GET only`, { Allow: "GET" });
	}
	if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") {
		return errorResponse(426, "InvalidRequest", `${stream.name} is a WebSocket: ask for an upgrade`, {
			Upgrade: "websocket",
			Connection: "Upgrade",
		});
	}
	const start = stream.start(url.searchParams, span);
	return "refusal" in start ? errorResponse(400, "InvalidRequest", start.refusal) : start;
}

function refuse(status: number, error: string, message: string): Response {
	return errorResponse(status, error, message, { "Retry-After": String(RETRY_AFTER_S) });
}

/** The last entry of X-Forwarded-For is the proxy's own; those before it are only what the consumer says of itself. */
function addressOf(request: Request, peer: string, trustProxy: boolean): string {
	const forwarded = trustProxy ? request.headers.get("x-forwarded-for") : null;
	return forwarded?.split(",").at(-1)?.trim().slice(0, ADDRESS_CHARS_MAX) || peer;
}
