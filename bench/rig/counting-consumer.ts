import type { Socket } from "bun";
import { subscribeRequest } from "./subscribe-request.ts";

/** A consumer that costs as little as possible: it skips from one WebSocket header to the next, and counts. */
export class CountingConsumer {
	frames = 0;
	bytes = 0;
	#socket: Socket<undefined> | null = null;
	/** Bytes of the current message that are still to come. */
	#left = 0;
	/** A header that a read cut in two, and how much of it has come. */
	readonly #header = Buffer.alloc(10);
	#headerBytes = 0;
	#isOpen = false;
	readonly #opened = Promise.withResolvers<void>();

	/**
	 * @param origin such as `ws://127.0.0.1:2470`
	 * @param cursor null for the live end
	 */
	async connect(origin: string, cursor: number | null = null): Promise<void> {
		const { hostname, port } = new URL(origin);
		this.#socket = await Bun.connect({
			hostname,
			port: Number(port),
			socket: { data: (_socket, bytes) => this.#receive(bytes) },
		});
		this.#socket.write(subscribeRequest(hostname, Number(port), cursor));
		await this.#opened.promise;
	}

	close(): void {
		this.#socket?.terminate();
	}

	#receive(bytes: Buffer): void {
		let at = 0;
		if (!this.#isOpen) {
			at = bytes.indexOf("\r\n\r\n") + 4;
			const status = bytes.toString("latin1", 0, bytes.indexOf("\r\n"));
			if (!status.includes(" 101 ")) {
				this.#opened.reject(new Error(`the handshake was answered ${status}`));
				return;
			}
			this.#isOpen = true;
			this.#opened.resolve();
		}
		while (at < bytes.length) {
			if (this.#left > 0) {
				const step = Math.min(this.#left, bytes.length - at);
				this.#left -= step;
				at += step;
				continue;
			}
			this.#header[this.#headerBytes++] = bytes[at++] ?? 0;
			this.#readHeader();
		}
	}

	/** A server does not mask, so the header is 2, 4 or 10 bytes long. */
	#readHeader(): void {
		if (this.#headerBytes < 2) return;
		const short = (this.#header[1] ?? 0) & 127;
		const wanted = short === 127 ? 10 : short === 126 ? 4 : 2;
		if (this.#headerBytes < wanted) return;
		const length =
			short === 127 ? Number(this.#header.readBigUInt64BE(2)) : short === 126 ? this.#header.readUInt16BE(2) : short;
		this.#headerBytes = 0;
		this.#left = length;
		// Control frames, such as pings, have the opcode's top bit set.
		if (((this.#header[0] ?? 0) & 8) !== 0) return;
		this.frames++;
		this.bytes += length;
	}
}
