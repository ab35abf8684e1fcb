// Bun's built-in module, as for the hosts' sockets.
import WebSocket from "ws";
import { systemTiming, type Timing } from "../runtime/timing.ts";
import { LINE_BYTES_MAX, type LineText } from "./line.ts";

const HANDSHAKE_TIMEOUT_MS = 10_000;
const PING_INTERVAL_MS = 10_000;
/** A connection over which nothing came for this long is ended. */
const SILENCE_MS_MAX = 45_000;
/** Bytes of lines that may wait to be taken. At the limit the socket is not read. */
const WAITING_BYTES_MAX = 4 * 1024 * 1024;
const REASON_CHARS_MAX = 123;

/** Lines that came since the last time. */
export interface Taken {
	lines: LineText[];
	/** When the directory had accepted nothing after these lines, by the clock of this machine; null if it is not known. */
	completeMs: number | null;
}

export interface ExportStreamOptions {
	/** Origin of the directory. */
	directory: string;
	/** Of the last line that is known. */
	seq: number;
	userAgent: string;
	/** Milliseconds since 1970. */
	clock: () => number;
	timing?: Timing;
	/** Called when there is something to take, and when the stream has ended. */
	onChange: () => void;
}

/**
 * The directory's stream of new lines, from a seq on. Its pings show that the connection lives, and so that the mirror is complete
 * although no line comes.
 */
export class ExportStream {
	readonly #socket: WebSocket;
	readonly #options: ExportStreamOptions;
	readonly #timing: Timing;
	#lines: LineText[] = [];
	#bytes = 0;
	#completeMs: number | null = null;
	#isOpen = false;
	#ended: string | null = null;
	#cancelPing: () => void = () => undefined;
	#pingedAtMs: number | null = null;
	#lastHeardMs: number;

	constructor(options: ExportStreamOptions) {
		const { directory, seq, userAgent, timing = systemTiming } = options;
		this.#options = options;
		this.#timing = timing;
		this.#lastHeardMs = timing.nowMs();
		const url = new URL(`/export/stream?cursor=${seq}`, directory);
		url.protocol = url.protocol === "http:" ? "ws:" : "wss:";
		this.#socket = new WebSocket(url.href, {
			maxPayload: LINE_BYTES_MAX,
			handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
			perMessageDeflate: false,
			followRedirects: false,
			headers: { "User-Agent": userAgent },
		});
		this.#listen();
	}

	/** Whether the directory has accepted the connection. Stays true after its end. */
	get wasOpen(): boolean {
		return this.#isOpen;
	}

	/** Why the stream has ended; null if it has not. */
	get ended(): string | null {
		return this.#ended;
	}

	get isEmpty(): boolean {
		return this.#lines.length === 0 && this.#completeMs === null;
	}

	/** Takes what has come. */
	take(): Taken {
		const taken = { lines: this.#lines, completeMs: this.#completeMs };
		const wasPaused = this.#bytes >= WAITING_BYTES_MAX;
		this.#lines = [];
		this.#bytes = 0;
		this.#completeMs = null;
		if (wasPaused && this.#ended === null) {
			this.#lastHeardMs = this.#timing.nowMs();
			this.#socket.resume();
		}
		return taken;
	}

	close(): void {
		this.#socket.terminate();
		this.#end("closed by us");
	}

	#listen(): void {
		const socket = this.#socket;
		socket.on("open", () => {
			this.#isOpen = true;
			this.#ping();
		});
		socket.on("message", (data: unknown, isBinary: boolean) => this.#message(data, isBinary));
		socket.on("pong", () => {
			this.#lastHeardMs = this.#timing.nowMs();
			this.#completeMs = this.#pingedAtMs;
			this.#pingedAtMs = null;
			if (this.#completeMs !== null) this.#options.onChange();
		});
		socket.on("error", (error: Error) => this.#end(error.message));
		socket.on("close", (code: number, reason: Buffer) =>
			this.#end(`closed with ${code} ${reason.toString().slice(0, REASON_CHARS_MAX)}`.trim()),
		);
	}

	#message(data: unknown, isBinary: boolean): void {
		this.#lastHeardMs = this.#timing.nowMs();
		if (this.#ended !== null) return;
		// A binary message is no JSON, and is refused as such.
		const text = isBinary ? "" : String(data);
		this.#lines.push({ text, isTooLong: false });
		this.#bytes += text.length;
		if (this.#bytes >= WAITING_BYTES_MAX) this.#socket.pause();
		this.#options.onChange();
	}

	#ping(): void {
		if (this.#ended !== null) return;
		if (this.#bytes < WAITING_BYTES_MAX && this.#timing.nowMs() - this.#lastHeardMs > SILENCE_MS_MAX) {
			this.#socket.terminate();
			this.#end(`silent for ${SILENCE_MS_MAX / 1000} s`);
			return;
		}
		this.#pingedAtMs ??= this.#options.clock();
		this.#socket.ping();
		this.#cancelPing = this.#timing.after(PING_INTERVAL_MS, () => this.#ping());
	}

	#end(detail: string): void {
		if (this.#ended !== null) return;
		this.#ended = detail;
		this.#cancelPing();
		this.#options.onChange();
	}
}
