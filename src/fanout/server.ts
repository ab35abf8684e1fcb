import { createEdge, withUrl } from "../http/edge.ts";
import { errorResponse } from "../http/response.ts";
import type { Position, RecordReader } from "../log/log.ts";
import type { Counters } from "../observe/counters.ts";
import { contain } from "../runtime/boundary.ts";
import { endThreadOnFailure } from "../runtime/thread.ts";
import { SERVER_NAME } from "../version.ts";
import { BACKPRESSURE_BYTES_MAX, Consumer } from "./consumer.ts";
import type { ConsumerCount } from "./consumer-count.ts";
import type { PaceFloor } from "./pace.ts";
import { Pump } from "./pump.ts";
import type { Stream, StreamError, StreamStart } from "./stream.ts";
import type { Takedowns } from "./takedowns.ts";

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

export interface FanoutServer {
	port: number;
	/** Closes connections that had their answer and ask for nothing more. */
	closeIdle(): void;
	/** Pings the silent, gives up the dead. The server does it itself every 5 seconds. */
	check(): void;
	/** Sends consumers what is published, closes them with 1001, and stops listening. Who has not taken it in time is cut off. */
	drain(timeoutMs: number): Promise<void>;
}

/** What a socket carries from its upgrade on. */
interface SocketData {
	ip: string;
	stream: Stream;
	start: StreamStart | StreamError;
	/** Set by `open`, but where the stream ended before it began. */
	consumer: Consumer | null;
}

/**
 * Serves streams, and `app` beside them, on one port. Where it shares the port with other threads, the kernel
 * spreads the connections.
 */
export function createFanoutServer(options: FanoutOptions): FanoutServer {
	const { position, reader, consumerCount, counters, floor, takedowns, clock = () => performance.now() } = options;
	const pump = new Pump(position, reader);
	const streams = new Map(options.streams.map((stream) => [stream.path, stream]));
	let draining = false;

	function clientOf(request: Request, server: Bun.Server<SocketData>): string {
		return addressOf(request, server.requestIP(request)?.address ?? "unknown", options.trustProxy);
	}

	function subscribe(stream: Stream, request: Request, url: URL, server: Bun.Server<SocketData>): Response | undefined {
		if (request.method !== "GET") {
			return errorResponse(405, "InvalidRequest", `${stream.name} takes GET only`, { Allow: "GET" });
		}
		if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") {
			return errorResponse(426, "InvalidRequest", `${stream.name} is a WebSocket: ask for an upgrade`, {
				Upgrade: "websocket",
				Connection: "Upgrade",
			});
		}
		const start = stream.start(url.searchParams, position.snapshot());
		if ("refusal" in start) return errorResponse(400, "InvalidRequest", start.refusal);
		if (draining) return refuse(503, "ServiceUnavailable", "the relay is shutting down");
		const ip = clientOf(request, server);
		const limit = consumerCount.take(ip);
		if (limit !== null) {
			counters.add("consumers_refused_total");
			return refuse(429, "RateLimitExceeded", limit);
		}
		const data: SocketData = { ip, stream, start, consumer: null };
		if (server.upgrade(request, { data, headers: UPGRADE_HEADERS })) return undefined;
		consumerCount.release(ip);
		return errorResponse(400, "InvalidRequest", "the WebSocket handshake is malformed (RFC 6455, section 4.2.1)");
	}

	function begin(socket: Bun.ServerWebSocket<SocketData>): void {
		const { stream, start } = socket.data;
		if ("error" in start) {
			socket.sendBinary(stream.error(start.error, start.message));
			socket.close(1008, start.error);
			return;
		}
		const consumer = new Consumer({ socket, stream, cursor: start.cursor, floor, takedowns, counters, clock });
		socket.data.consumer = consumer;
		if (start.first !== null) consumer.announce(start.first);
		pump.add(consumer);
	}

	function heard(socket: Bun.ServerWebSocket<SocketData>): void {
		contain("a consumer's message", () => socket.data.consumer?.heard());
	}

	const server = Bun.serve<SocketData>({
		hostname: options.host,
		port: options.port,
		reusePort: options.sharesPort,
		...createEdge<SocketData, Response | undefined>((request, url, server) => {
			const stream = request.method === "OPTIONS" ? undefined : streams.get(url.pathname);
			if (stream !== undefined) return subscribe(stream, request, url, server);
			return options.app(withUrl(request, url), { ip: clientOf(request, server) });
		}, counters),
		websocket: {
			perMessageDeflate: false,
			maxPayloadLength: CONSUMER_MESSAGE_BYTES_MAX,
			backpressureLimit: BACKPRESSURE_BYTES_MAX,
			// Both are the consumer's own business: it knows a quiet stream from a dead consumer.
			idleTimeout: 0,
			sendPings: false,
			open(socket) {
				counters.add("consumers_connected");
				if (!contain("a consumer's start", () => begin(socket))) socket.close(1011, "internal error");
			},
			message: heard,
			ping: heard,
			pong: heard,
			drain(socket) {
				const { consumer } = socket.data;
				contain("a consumer's drain", () => {
					if (consumer?.drained()) pump.wake(consumer);
				});
			},
			close(socket) {
				counters.add("consumers_connected", -1);
				consumerCount.release(socket.data.ip);
				const { consumer } = socket.data;
				if (consumer !== null) contain("a consumer's end", () => pump.remove(consumer));
			},
		},
	});
	const checks = setInterval(() => contain("the consumers' check", () => pump.check()), CHECK_INTERVAL_MS);
	endThreadOnFailure(pump.follow());

	return {
		port: server.port ?? options.port,
		closeIdle: () => void server.closeIdleConnections(),
		check: () => pump.check(),
		async drain(timeoutMs) {
			draining = true;
			await pump.drain(1001, "relay is shutting down", timeoutMs);
			clearInterval(checks);
			await server.stop(true);
		},
	};
}

function refuse(status: number, error: string, message: string): Response {
	return errorResponse(status, error, message, { "Retry-After": String(RETRY_AFTER_S) });
}

/** The last entry of X-Forwarded-For is the proxy's own; those before it are only what the consumer says of itself. */
function addressOf(request: Request, peer: string, trustProxy: boolean): string {
	const forwarded = trustProxy ? request.headers.get("x-forwarded-for") : null;
	return forwarded?.split(",").at(-1)?.trim().slice(0, ADDRESS_CHARS_MAX) || peer;
}
