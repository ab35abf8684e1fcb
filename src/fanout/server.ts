// fanout/: the public port, and how consumers get messages from the log. It never waits for a consumer.

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
import type { Deliveries } from "./deliveries.ts";
import { noteLags } from "./lags.ts";
import type { PaceFloor } from "./pace.ts";
import { Pump } from "./pump.ts";
import { Roster, type RosterThread } from "./roster.ts";
import type { Stream, StreamError, StreamStart } from "./stream.ts";
import type { Takedowns } from "./takedowns.ts";

const consumersRefused = counter(
	"consumers_refused_total",
	"consumers refused because a limit on their number was reached",
	"If these are wanted consumers, raise `RELAY_MAX_CONSUMERS` or `RELAY_MAX_CONSUMERS_PER_IP`; behind a proxy set `RELAY_TRUST_PROXY`.",
);
const consumersConnected = gauge(
	"consumers_connected",
	"consumers connected now",
	"If it falls at once, look at the public port and at the proxy; if it is near `RELAY_MAX_CONSUMERS`, raise that.",
);

/**
 * The longest message that a consumer may send. A longer one ends the connection. What consumers send is thrown away, but the runtime
 * holds a message in memory until it is complete.
 */
export const CONSUMER_MESSAGE_BYTES_MAX = 64 * 1024;
/** The runtime confirms any protocol that a consumer asks for, unless this header is set. The relay has none to confirm. */
const UPGRADE_HEADERS = { Server: SERVER_NAME, "Sec-WebSocket-Protocol": "" };
/** Longer than any address with its zone or port. Limits a header that is used as a key for counting consumers. */
const ADDRESS_CHARS_MAX = 100;
const CHECK_INTERVAL_MS = 5_000;
/** `Retry-After` of a refused consumer. */
const RETRY_AFTER_S = 30;

export interface FanoutOptions {
	/** Address to listen at, such as `0.0.0.0`. */
	host: string;
	/** 0 lets the system choose. */
	port: number;
	/** Which of the threads that serve the port this is. */
	thread: RosterThread;
	/** Whether other threads listen on the port too. If so, it is no error here that another program listens on it with `reusePort`. */
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
	/** Counts how long messages took to the consumers; none if nobody asks. */
	deliveries?: Pick<Deliveries, "turned">;
	/** The rate at which consumers that are far behind have to read. */
	floor: PaceFloor;
	takedowns: Takedowns;
	/** Whether to believe `X-Forwarded-For`. Set it only if a proxy in front of the relay sets that header. */
	trustProxy: boolean;
	/** Monotonic milliseconds. */
	clock?: () => number;
}

/** What a socket carries from its upgrade on. */
interface SocketData {
	ip: string;
	userAgent: string;
	stream: Stream;
	start: StreamStart | StreamError;
	/** The log as the request found it. */
	span: PublishedSpan;
	/** Set by `open`; stays null if the stream ends with an error before it begins. */
	consumer: Consumer | null;
}

type Socket = Bun.ServerWebSocket<SocketData>;

/**
 * Serves streams, and `app` for all other requests, on one port. It listens as soon as it is constructed. If it shares the port with
 * other threads, the kernel spreads the connections.
 */
export class FanoutServer {
	/** The consumers, for the operator. */
	readonly roster: Roster;
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
		this.#pump = new Pump(options.position, options.reader, { deliveries: options.deliveries });
		this.#clock = options.clock ?? (() => performance.now());
		this.roster = new Roster({
			...options.thread,
			lastLsn: () => options.position.snapshot().lastLsn,
			clock: this.#clock,
			nowMs: Date.now,
		});
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

	/** Closes connections that got their answer and have no other request. */
	closeIdle(): void {
		this.#server.closeIdleConnections();
	}

	/** Pings silent consumers, and closes slow and dead ones. The server calls it by itself every 5 seconds. */
	check(): void {
		this.#pump.check();
		this.roster.measure();
		noteLags(this.roster.lags(), this.#options.counters);
	}

	/** Sends consumers what is published, closes them with 1001, and stops listening. Cuts off those that have not taken it in time. */
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
		const userAgent = request.headers.get("user-agent") ?? "";
		return this.#upgrade(request, server, { ip, userAgent, stream, start, span, consumer: null });
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
			// `Consumer` does both itself: it can tell a quiet stream from a dead consumer.
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
				if (consumer === null) return;
				this.roster.remove(consumer);
				contain("a consumer's end", () => this.#pump.remove(consumer));
			},
		};
	}

	#begin(socket: Socket): void {
		const { ip, userAgent, stream, start, span } = socket.data;
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
		this.roster.add(consumer, { ip, userAgent, stream: stream.name });
		if (start.first !== null) consumer.announce(start.first);
		this.#pump.add(consumer);
	}
}

/** Where in the log the stream begins that a request asks for, or why it gets none. */
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

/** The last entry of X-Forwarded-For is the proxy's own. The consumer may have made up those before it. */
function addressOf(request: Request, peer: string, trustProxy: boolean): string {
	const forwarded = trustProxy ? request.headers.get("x-forwarded-for") : null;
	return forwarded?.split(",").at(-1)?.trim().slice(0, ADDRESS_CHARS_MAX) || peer;
}
