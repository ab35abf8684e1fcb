import type { Socket } from "bun";
import { subscribeRequest } from "./subscribe-request.ts";

/**
 * Many consumers that cost as little as possible: they discard what they read, and count the bytes. A consumer that has read
 * everything connects again and starts over.
 */
export class Crowd {
	bytes = 0;
	readonly #port: number;
	readonly #cursor: number | null;
	readonly #bytesOfAll: number;
	readonly #sockets = new Set<Socket<{ bytes: number }>>();
	#isClosing = false;
	#isStalled = false;

	/**
	 * @param cursor where each begins; null for the live end
	 * @param bytesOfAll bytes that one reads before it starts over
	 */
	constructor(port: number, cursor: number | null, bytesOfAll: number) {
		this.#port = port;
		this.#cursor = cursor;
		this.#bytesOfAll = bytesOfAll;
	}

	async connect(count: number): Promise<void> {
		for (let index = 0; index < count; index++) await this.#connectOne();
	}

	/** Consumers that connect from now on read nothing. */
	stall(): void {
		this.#isStalled = true;
	}

	close(): void {
		this.#isClosing = true;
		for (const socket of this.#sockets) socket.terminate();
	}

	async #connectOne(): Promise<void> {
		const socket = await Bun.connect<{ bytes: number }>({
			hostname: "127.0.0.1",
			port: this.#port,
			data: { bytes: 0 },
			socket: {
				data: (socket, bytes) => {
					this.bytes += bytes.length;
					socket.data.bytes += bytes.length;
					if (socket.data.bytes >= this.#bytesOfAll) socket.terminate();
				},
				close: (socket) => {
					this.#sockets.delete(socket);
					if (!this.#isClosing) void this.#connectOne();
				},
			},
		});
		this.#sockets.add(socket);
		if (this.#isStalled) socket.pause();
		socket.write(subscribeRequest("127.0.0.1", this.#port, this.#cursor));
	}
}
