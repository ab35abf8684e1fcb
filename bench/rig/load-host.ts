import type { Socket } from "bun";
import type { FrameSource } from "./frames.ts";

/**
 * A host that costs the machine as little as possible. It speaks just enough HTTP to accept a connection, and then writes
 * blocks of ready-made WebSocket messages to the TCP socket, as fast as the socket takes them.
 */
export class LoadHost {
	readonly #server: Bun.TCPSocketListener<undefined>;
	#follower: Socket<undefined> | null = null;
	#source: FrameSource | null = null;
	#block: Buffer | null = null;
	#written = 0;

	constructor() {
		this.#server = Bun.listen({
			hostname: "127.0.0.1",
			port: 0,
			socket: {
				data: (socket, bytes) => this.#answer(socket, bytes),
				drain: (socket) => {
					if (socket === this.#follower) this.#pump();
				},
			},
		});
	}

	get hostname(): string {
		return `localhost:${this.#server.port}`;
	}

	get endpoint(): string {
		return `http://${this.hostname}`;
	}

	get connected(): boolean {
		return this.#follower !== null;
	}

	/** Sends everything from the source, after the block that is being sent. */
	send(source: FrameSource): void {
		this.#source = source;
		this.#pump();
	}

	/** Sends nothing after the block that is being sent. */
	pause(): void {
		this.#source = null;
	}

	stop(): void {
		this.#server.stop(true);
	}

	#answer(socket: Socket<undefined>, bytes: Buffer): void {
		const request = bytes.toString("latin1");
		const key = /^sec-websocket-key: *(\S+)/im.exec(request)?.[1];
		if (key !== undefined) {
			socket.write(
				`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${acceptOf(key)}\r\n\r\n`,
			);
			this.#follower = socket;
		} else if (request.startsWith("GET /xrpc/com.atproto.server.describeServer")) {
			const body = JSON.stringify({ did: "did:web:load.test", availableUserDomains: [] });
			socket.end(
				`HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
			);
		}
		// Anything else is a ping or a pong of the relay. A missing answer has no effect within the time of a bench.
	}

	#pump(): void {
		const socket = this.#follower;
		if (socket === null) throw new Error("nobody follows the host yet");
		for (;;) {
			if (this.#block === null) {
				this.#block = this.#source?.next() ?? null;
				this.#written = 0;
			}
			if (this.#block === null) return;
			this.#written += socket.write(this.#block.subarray(this.#written));
			if (this.#written < this.#block.length) return;
			this.#block = null;
		}
	}
}

/** RFC 6455, 4.2.2. */
function acceptOf(key: string): string {
	return new Bun.CryptoHasher("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
}
