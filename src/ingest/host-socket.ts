import { lookup as lookupAddress } from "node:dns";
import type { LookupFunction } from "node:net";
import WebSocket from "ws";
import { isPublicAddress } from "../protocol/address.ts";
import { FRAME_BYTES_MAX } from "../protocol/limits.ts";

const HANDSHAKE_TIMEOUT_MS = 10_000;
/** We ping this often, and give a host that long to answer anything at all. */
const PING_INTERVAL_MS = 30_000;
const SILENCE_MS_MAX = 75_000;

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

	/** Closes with a WebSocket close code, and at once as far as we are concerned. */
	close(code: number, reason: string): void {
		if (this.#socket.readyState === WebSocket.OPEN) this.#socket.close(code, reason);
		else this.#socket.terminate();
		this.#end(`closed by us with ${code}: ${reason}`);
	}

	#listen(): void {
		const socket = this.#socket;
		let server = "";
		socket.on("upgrade", (response) => {
			const header: unknown = response.headers["server"];
			server = typeof header === "string" ? header : "";
		});
		socket.on("open", () => {
			this.#lastHeardMs = Date.now();
			this.#pingTimer = setInterval(() => this.#keepAlive(), PING_INTERVAL_MS);
			this.#events.opened(server);
			if (this.#paused) socket.pause();
		});
		socket.on("message", (data, isBinary) => {
			this.#lastHeardMs = Date.now();
			if (this.#closed) return;
			if (isBinary && Buffer.isBuffer(data)) this.#events.frame(data);
			else {
				this.#events.unreadable("frame-text");
				this.close(1003, "text message");
			}
		});
		socket.on("pong", () => {
			this.#lastHeardMs = Date.now();
		});
		socket.on("error", (error) => {
			if (/max payload/i.test(error.message) && !this.#closed) {
				this.#events.unreadable("frame-too-large");
				this.close(1009, "message too large");
			}
			this.#end(error.message);
		});
		socket.on("close", (code, reason) => this.#end(`closed with ${code} ${reason.toString()}`.trim()));
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
