// peer/: other relays, as any client sees them: whether one is conformant, and how their firehoses differ. It knows nothing of this relay's own threads.

// Bun's built-in module, as for the hosts' sockets.
import WebSocket from "ws";
import { FRAME_BYTES_MAX } from "../protocol/limits.ts";
import { USER_AGENT } from "../version.ts";

const HANDSHAKE_TIMEOUT_MS = 15_000;
/** Of what a relay says when it closes. */
const REASON_CHARS_MAX = 200;
export const SUBSCRIBE_PATH = "/xrpc/com.atproto.sync.subscribeRepos";

/** How a connection ended. */
export interface FirehoseEnd {
	/** The HTTP status, if the relay refused the upgrade; else null. */
	status: number | null;
	/** In a few words. A stranger may have written parts of them. */
	text: string;
}

/** What comes from a connection. A handler must not throw. */
export interface FirehoseEvents {
	/** The relay accepted. `server` is its `Server` header, empty if it has none. */
	opened(server: string): void;
	/** A binary message. The bytes are the receiver's. */
	frame(bytes: Buffer): void;
	/** A text message, which the protocol does not have. */
	text(): void;
	/** The connection ended, or the attempt failed. Called once, as the last event; not after `close`. */
	ended(end: FirehoseEnd): void;
}

/** One connection to the firehose of a relay. It never connects again by itself. */
export class Firehose {
	readonly #socket: WebSocket;
	readonly #events: FirehoseEvents;
	#isOver = false;

	/**
	 * @param relay origin, such as https://relay.example.com
	 * @param cursor as it is to stand in the query; null for the live end
	 */
	constructor(relay: string, cursor: string | null, events: FirehoseEvents) {
		this.#events = events;
		const url = new URL(SUBSCRIBE_PATH, relay);
		url.protocol = url.protocol === "http:" ? "ws:" : "wss:";
		if (cursor !== null) url.searchParams.set("cursor", cursor);
		this.#socket = new WebSocket(url.href, {
			// A longer frame is a finding of its own only if it can be read.
			maxPayload: 2 * FRAME_BYTES_MAX,
			handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
			perMessageDeflate: false,
			followRedirects: false,
			headers: { "User-Agent": USER_AGENT },
		});
		this.#listen();
	}

	/** Ends the connection. Nothing is reported any more. */
	close(): void {
		this.#isOver = true;
		this.#socket.terminate();
	}

	#listen(): void {
		const socket = this.#socket;
		let server = "";
		socket.on("upgrade", ({ headers }: { headers: Record<string, unknown> }) => {
			const header = headers["server"];
			server = typeof header === "string" ? header : "";
		});
		socket.on("unexpected-response", (_request: unknown, { statusCode }: { statusCode?: number }) => {
			const status = statusCode ?? 0;
			this.#end({ status, text: `the upgrade was answered with HTTP ${status}` });
			socket.terminate();
		});
		socket.on("open", () => {
			if (!this.#isOver) this.#events.opened(server);
		});
		socket.on("message", (data: unknown, isBinary: boolean) => {
			if (this.#isOver) return;
			if (isBinary && Buffer.isBuffer(data)) this.#events.frame(data);
			else this.#events.text();
		});
		socket.on("error", (error: Error) => this.#end({ status: null, text: error.message }));
		socket.on("close", (code: number, reason: Buffer) =>
			this.#end({ status: null, text: `closed with ${code} ${reason.toString()}`.trim() }),
		);
	}

	#end({ status, text }: FirehoseEnd): void {
		if (this.#isOver) return;
		this.#isOver = true;
		this.#events.ended({ status, text: text.slice(0, REASON_CHARS_MAX) });
	}
}
