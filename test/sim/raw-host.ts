import { createHash } from "node:crypto";
import { createServer, type Server, type Socket } from "node:net";

const ACCEPT_SUFFIX = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/**
 * A host that is a plain TCP server. It accepts the WebSocket handshake and sends the bytes that the test gives it, which need not
 * be valid WebSocket frames. It answers nothing, not even a ping.
 */
export class RawHost {
	/** The paths that were requested, with their queries. */
	readonly paths: string[] = [];
	/** Number of TCP connections that were made. */
	accepted = 0;
	readonly #sockets = new Set<Socket>();
	readonly #greeting: readonly Uint8Array[];
	readonly #server: Server;

	/** @param greeting what it sends after each handshake */
	constructor(greeting: readonly Uint8Array[] = []) {
		this.#greeting = greeting;
		this.#server = createServer((socket) => this.#accept(socket));
	}

	async start(): Promise<void> {
		await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
	}

	stop(): void {
		for (const socket of this.#sockets) socket.destroy();
		this.#server.close();
	}

	get port(): number {
		const address = this.#server.address();
		if (address === null || typeof address === "string") throw new Error("the host does not listen");
		return address.port;
	}

	get hostname(): string {
		return `localhost:${this.port}`;
	}

	get connections(): number {
		return this.#sockets.size;
	}

	#accept(socket: Socket): void {
		this.accepted++;
		socket.on("error", () => undefined);
		socket.on("close", () => this.#sockets.delete(socket));
		socket.once("data", (request) => {
			const text = request.toString("latin1");
			this.paths.push(text.split(" ")[1] ?? "");
			const key = /sec-websocket-key: *(\S+)/i.exec(text)?.[1] ?? "";
			const accept = createHash("sha1").update(`${key}${ACCEPT_SUFFIX}`).digest("base64");
			const headers = `Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}`;
			socket.write(`HTTP/1.1 101 Switching Protocols\r\n${headers}\r\n\r\n`);
			this.#sockets.add(socket);
			socket.on("data", () => undefined);
			for (const bytes of this.#greeting) socket.write(bytes);
		});
	}
}

/** A WebSocket frame as a server sends it, unmasked. `head` is its first byte: flags and opcode, such as 0x82. */
export function webSocketFrame(head: number, payload: Uint8Array): Uint8Array {
	const { length } = payload;
	const size = Buffer.alloc(length < 126 ? 1 : length < 65_536 ? 3 : 9);
	size[0] = length < 126 ? length : length < 65_536 ? 126 : 127;
	if (size.length === 3) size.writeUInt16BE(length, 1);
	if (size.length === 9) size.writeBigUInt64BE(BigInt(length), 1);
	return Buffer.concat([Buffer.from([head]), size, payload]);
}
