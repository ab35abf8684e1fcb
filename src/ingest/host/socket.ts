import { lookup as lookupDns } from "node:dns";
import type { LookupFunction } from "node:net";
// Bun's built-in module, which needs no package. Unlike the global WebSocket it accepts `maxPayload`, `handshakeTimeout` and
// `lookup`, and gives the headers of the answer. Its types come from `@types/ws`.
import WebSocket from "ws";
import { addressFault } from "../../net/address.ts";
import { mayBePrivate } from "../../net/hostname.ts";
import { FRAME_BYTES_MAX } from "../../protocol/limits.ts";
import type { RejectionReason } from "../../protocol/reasons.ts";
import { reportFailure } from "../../runtime/boundary.ts";
import { systemTiming, type Timing } from "../../runtime/timing.ts";
import { PRIVATE_ADDRESS_CODE, type SocketEnd, socketEndOf } from "./socket-fault.ts";

const HANDSHAKE_TIMEOUT_MS = 10_000;
/** Proxies often end a connection over which nothing came for a minute. */
const PING_INTERVAL_MS = 45_000;
/** Pings of all hosts are sent at whole multiples of this: a thread that wakes up for each costs more than the pings do. */
const PING_TICK_MS = 1_000;
/** A connection over which nothing came for this long is ended. */
const SILENCE_MS_MAX = 75_000;
/** A close frame's payload is at most 125 bytes, two of which are the code (RFC 6455, section 5.5). */
const CLOSE_REASON_BYTES_MAX = 123;

/** The events that a socket reports to its host's subscription. */
export interface HostSocketEvents {
	/** The host accepted. `server` is its `Server` header. */
	opened(server: string): void;
	frame(bytes: Buffer): void;
	/** A message can't be read. `isLast`: the fault is such that no message can follow on this connection. */
	unreadable(reason: RejectionReason, detail: string, isLast: boolean): void;
	/** The connection ended, or the attempt failed. Called once, as the last event. */
	closed(end: SocketEnd): void;
}

export interface HostSocketOptions {
	hostname: string;
	/** Connect by ws:// instead of wss://, to any address that the name has. */
	insecure: boolean;
	/** Ask for messages after this upstream seq; null for the live end. */
	cursor: number | null;
	userAgent: string;
	timing?: Timing;
	/** Resolves names for connections that may only go to public addresses. */
	lookup?: LookupFunction;
}

/** One connection to a host's `subscribeRepos`. It never reconnects by itself. */
export class HostSocket {
	readonly #socket: WebSocket;
	readonly #events: HostSocketEvents;
	readonly #timing: Timing;
	#cancelPing: () => void = () => undefined;
	#lastHeardMs: number;
	#paused = false;
	#closed = false;

	constructor(options: HostSocketOptions, events: HostSocketEvents) {
		this.#events = events;
		this.#timing = options.timing ?? systemTiming;
		this.#lastHeardMs = this.#timing.nowMs();
		this.#socket = new WebSocket(urlOf(options), {
			maxPayload: FRAME_BYTES_MAX,
			handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
			perMessageDeflate: false,
			followRedirects: false,
			headers: { "User-Agent": options.userAgent },
			...(mayBePrivate(options) ? {} : { lookup: options.lookup ?? publicLookup() }),
		});
		this.#listen();
	}

	/** Stops reading, so that the TCP window fills and the host has to wait. */
	pause(): void {
		if (this.#paused) return;
		this.#paused = true;
		if (this.#socket.readyState === WebSocket.OPEN) this.#socket.pause();
	}

	resume(): void {
		if (!this.#paused) return;
		this.#paused = false;
		// While paused we read nothing, so the host could not show that it is alive.
		this.#lastHeardMs = this.#timing.nowMs();
		if (this.#socket.readyState === WebSocket.OPEN) this.#socket.resume();
	}

	/** Closes with a WebSocket close code. `closed` is reported at once. A reason that is too long is cut. */
	close(code: number, reason: string): void {
		if (this.#socket.readyState === WebSocket.OPEN)
			this.#socket.close(code, cutToBytes(reason, CLOSE_REASON_BYTES_MAX));
		else this.#socket.terminate();
		this.#end({ fault: "dropped", text: `closed by us with ${code}: ${reason}` });
	}

	#listen(): void {
		const socket = this.#socket;
		let server = "";
		this.#on("upgrade", (response: { headers: Record<string, unknown> }) => {
			const header = response.headers["server"];
			server = typeof header === "string" ? header : "";
		});
		this.#on("unexpected-response", (_request: unknown, { statusCode }: { statusCode?: number }) => {
			// Without this, the runtime waits for the handshake until it times out.
			this.#end({ fault: "http-status", text: `it answered the handshake with HTTP ${statusCode ?? "?"}` });
			socket.terminate();
		});
		this.#on("open", () => {
			this.#lastHeardMs = this.#timing.nowMs();
			this.#pingLater();
			this.#events.opened(server);
			if (this.#paused) socket.pause();
		});
		this.#on("message", (data: unknown, isBinary: boolean) => {
			this.#lastHeardMs = this.#timing.nowMs();
			if (this.#closed) return;
			if (isBinary && Buffer.isBuffer(data)) this.#events.frame(data);
			else this.#events.unreadable("frame-text", "text message", false);
		});
		this.#on("pong", () => {
			this.#lastHeardMs = this.#timing.nowMs();
		});
		this.#on("error", (error: Error & { code?: unknown }) => {
			const reason = framingFault(error.code);
			if (reason !== null && !this.#closed) this.#events.unreadable(reason, error.message, true);
			this.#end(socketEndOf(error));
		});
		this.#on("close", (code: number, reason: Buffer) =>
			this.#end({ fault: "dropped", text: `it closed the connection with ${code} ${reason.toString()}`.trim() }),
		);
	}

	/** Handles an event of the socket. A handler that fails ends this connection, and nothing else. */
	#on<Args extends unknown[]>(event: string, handle: (...args: Args) => void): void {
		this.#socket.on(event, (...args: unknown[]) => {
			try {
				handle(...(args as Args));
			} catch (error) {
				reportFailure(`a host socket's ${event}`, error);
				this.#socket.terminate();
				this.#end({ fault: "internal", text: "internal error" });
			}
		});
	}

	#pingLater(): void {
		const sinceTickMs = this.#timing.nowMs() % PING_TICK_MS;
		this.#cancelPing = this.#timing.after(PING_INTERVAL_MS - sinceTickMs, () => {
			this.#pingLater();
			this.#keepAlive();
		});
	}

	#keepAlive(): void {
		if (this.#paused) return;
		if (this.#timing.nowMs() - this.#lastHeardMs > SILENCE_MS_MAX) {
			this.#socket.terminate();
			this.#end({ fault: "silent", text: `nothing came for ${SILENCE_MS_MAX / 1000} s` });
			return;
		}
		this.#socket.ping();
	}

	#end(end: SocketEnd): void {
		if (this.#closed) return;
		this.#closed = true;
		this.#cancelPing();
		this.#events.closed(end);
	}
}

/** The reason if a connection ended because of a message that breaks the WebSocket protocol or our limit; else null. */
function framingFault(code: unknown): RejectionReason | null {
	if (typeof code !== "string" || !code.startsWith("WS_ERR_")) return null;
	if (code === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH" || code === "WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH")
		return "frame-too-large";
	return code === "WS_ERR_INVALID_UTF8" ? "frame-text" : "frame-malformed";
}

/** The longest prefix of `text` that takes at most `bytesMax` bytes in UTF-8, in whole characters. */
export function cutToBytes(text: string, bytesMax: number): string {
	const { read } = new TextEncoder().encodeInto(text, new Uint8Array(bytesMax));
	return text.slice(0, read);
}

function urlOf({ hostname, insecure, cursor }: HostSocketOptions): string {
	const query = cursor === null ? "" : `?cursor=${cursor}`;
	return `${insecure ? "ws" : "wss"}://${hostname}/xrpc/com.atproto.sync.subscribeRepos${query}`;
}

/**
 * A DNS lookup that refuses names that point into a private network. The connection is made to the same addresses that were
 * checked, so it does not help an attacker if the name resolves differently the next time.
 *
 * @param resolve how names are resolved, given by tests
 */
export function publicLookup(resolve: typeof lookupDns = lookupDns): LookupFunction {
	return (hostname, options, callback) => {
		resolve(hostname, { ...options, all: true }, (error, addresses) => {
			if (error !== null) return callback(error, []);
			const fault = addressFault(addresses);
			const [first] = addresses;
			if (fault !== null || first === undefined) {
				const refusal = Object.assign(new Error(`${hostname}: ${fault}`), { code: PRIVATE_ADDRESS_CODE });
				return callback(refusal, []);
			}
			if (options.all === true) callback(null, addresses);
			else callback(null, first.address, first.family);
		});
	};
}
