import { lookup as lookupAddress } from "node:dns";
import type { LookupFunction } from "node:net";
import WebSocket from "ws";
import { contain, reportFailure } from "../boundary.ts";
import { isPublicAddress } from "../protocol/address.ts";
import { FRAME_BYTES_MAX } from "../protocol/limits.ts";

const HANDSHAKE_TIMEOUT_MS = 10_000;
/** We ping this often, and give a host that long to answer anything at all. */
const PING_INTERVAL_MS = 30_000;
const SILENCE_MS_MAX = 75_000;
/** A close frame's payload is at most 125 bytes, two of which are the code (RFC 6455, section 5.5). */
const CLOSE_REASON_BYTES_MAX = 123;

/** What a socket tells its host's follower. */
export interface HostSocketEvents {
	/** The host accepted. `server` is its `Server` header. */
	opened(server: string): void;
	frame(bytes: Buffer): void;
	/** A message that broke the framing before it could be read; the socket is being closed for it. */
	unreadable(reason: "frame-text" | "frame-too-large"): void;
	/** The connection ended or did not come about: said once, last. */
	closed(detail: string): void;
}

export interface HostSocketOptions {
	hostname: string;
	/** By ws://, and to whatever address the name has. */
	insecure: boolean;
	/** Events after this upstream seq; null for the live end. */
	cursor: number | null;
	userAgent: string;
}

/** One connection to a host's `subscribeRepos`. It never reconnects; who made it does. */
export class HostSocket {
	readonly #socket: WebSocket;
	readonly #events: HostSocketEvents;
	#pingTimer: ReturnType<typeof setInterval> | null = null;
	#lastHeardMs = Date.now();
	#paused = false;
	#closed = false;

	constructor(options: HostSocketOptions, events: HostSocketEvents) {
		this.#events = events;
		this.#socket = new WebSocket(urlOf(options), {
			maxPayload: FRAME_BYTES_MAX,
			handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
			perMessageDeflate: false,
			followRedirects: false,
			headers: { "User-Agent": options.userAgent },
			...(options.insecure ? {} : { lookup: publicLookup }),
		});
		this.#listen();
	}

	/** Stops reading: the host's TCP window fills, and the host waits. */
	pause(): void {
		if (this.#paused) return;
		this.#paused = true;
		if (this.#socket.readyState === WebSocket.OPEN) this.#socket.pause();
	}

	resume(): void {
		if (!this.#paused) return;
		this.#paused = false;
		// What was said while we did not listen could not be heard.
		this.#lastHeardMs = Date.now();
		if (this.#socket.readyState === WebSocket.OPEN) this.#socket.resume();
	}

	/** Closes with a WebSocket close code, and at once as far as we are concerned. A reason that is too long is cut. */
	close(code: number, reason: string): void {
		if (this.#socket.readyState === WebSocket.OPEN)
			this.#socket.close(code, cutToBytes(reason, CLOSE_REASON_BYTES_MAX));
		else this.#socket.terminate();
		this.#end(`closed by us with ${code}: ${reason}`);
	}

	#listen(): void {
		const socket = this.#socket;
		let server = "";
		this.#on("upgrade", (response: { headers: Record<string, unknown> }) => {
			const header = response.headers["server"];
			server = typeof header === "string" ? header : "";
		});
		this.#on("open", () => {
			this.#lastHeardMs = Date.now();
			this.#pingTimer = setInterval(() => contain("a keep-alive", () => this.#keepAlive()), PING_INTERVAL_MS);
			this.#events.opened(server);
			if (this.#paused) socket.pause();
		});
		this.#on("message", (data: unknown, isBinary: boolean) => {
			this.#lastHeardMs = Date.now();
			if (this.#closed) return;
			if (isBinary && Buffer.isBuffer(data)) this.#events.frame(data);
			else {
				this.#events.unreadable("frame-text");
				this.close(1003, "text message");
			}
		});
		this.#on("pong", () => {
			this.#lastHeardMs = Date.now();
		});
		this.#on("error", (error: Error) => {
			if (/max payload/i.test(error.message) && !this.#closed) {
				this.#events.unreadable("frame-too-large");
				this.close(1009, "message too large");
			}
			this.#end(error.message);
		});
		this.#on("close", (code: number, reason: Buffer) => this.#end(`closed with ${code} ${reason.toString()}`.trim()));
	}

	/** Handles an event of the socket. A handler that fails costs the connection, and nothing else. */
	#on<Args extends unknown[]>(event: string, handle: (...args: Args) => void): void {
		this.#socket.on(event, (...args: unknown[]) => {
			try {
				handle(...(args as Args));
			} catch (error) {
				reportFailure(`a host socket's ${event}`, error);
				this.#socket.terminate();
				this.#end("internal error");
			}
		});
	}

	#keepAlive(): void {
		if (this.#paused) return;
		if (Date.now() - this.#lastHeardMs > SILENCE_MS_MAX) {
			this.#socket.terminate();
			this.#end(`nothing heard for ${SILENCE_MS_MAX / 1000} s`);
			return;
		}
		this.#socket.ping();
	}

	#end(detail: string): void {
		if (this.#closed) return;
		this.#closed = true;
		if (this.#pingTimer !== null) clearInterval(this.#pingTimer);
		this.#events.closed(detail);
	}
}

/** The longest start of `text` that takes at most `bytesMax` bytes of UTF-8, without half a character. */
export function cutToBytes(text: string, bytesMax: number): string {
	const { read } = new TextEncoder().encodeInto(text, new Uint8Array(bytesMax));
	return text.slice(0, read);
}

function urlOf({ hostname, insecure, cursor }: HostSocketOptions): string {
	const query = cursor === null ? "" : `?cursor=${cursor}`;
	return `${insecure ? "ws" : "wss"}://${hostname}/xrpc/com.atproto.sync.subscribeRepos${query}`;
}

/** DNS lookup that refuses names which point into a private network: checked on the address that is connected to. */
const publicLookup: LookupFunction = (hostname, options, callback) => {
	lookupAddress(hostname, { ...options, all: true }, (error, addresses) => {
		if (error !== null) return callback(error, []);
		const refused = addresses.find(({ address }) => !isPublicAddress(address));
		if (refused !== undefined)
			return callback(new Error(`${hostname} is at the private address ${refused.address}`), []);
		const [first] = addresses;
		if (first === undefined) return callback(new Error(`${hostname} has no address`), []);
		if (options.all === true) callback(null, addresses);
		else callback(null, first.address, first.family);
	});
};
