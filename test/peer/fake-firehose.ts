import { encodeFrame, type SimMessage } from "../../src/sim/message.ts";

/** A firehose that sends what a test gives it, to whoever is connected. */
export class FakeFirehose {
	readonly #sockets = new Set<Bun.ServerWebSocket<undefined>>();
	#server: Bun.Server<undefined> | null = null;
	#seq = 0;
	#opened = Promise.withResolvers<void>();
	#answered = Promise.withResolvers<void>();

	get url(): string {
		return `http://127.0.0.1:${this.#server?.port}`;
	}

	start(): void {
		this.#server = Bun.serve<undefined>({
			hostname: "127.0.0.1",
			port: 0,
			fetch: (request, server) => (server.upgrade(request) ? undefined : new Response("no", { status: 426 })),
			websocket: {
				open: (socket) => {
					this.#sockets.add(socket);
					this.#opened.resolve();
				},
				close: (socket) => void this.#sockets.delete(socket),
				pong: () => this.#answered.resolve(),
				message: () => undefined,
			},
		});
	}

	async stop(): Promise<void> {
		await this.#server?.stop(true);
	}

	/** Gives the message the next seq, or the seq that is named. */
	emit(message: SimMessage, seq = ++this.#seq): void {
		this.send(encodeFrame(message, seq));
	}

	send(data: Uint8Array<ArrayBuffer> | string): void {
		for (const socket of this.#sockets) socket.send(data);
	}

	close(): void {
		for (const socket of this.#sockets) socket.close(1001, "going away");
	}

	/** Waits for a connection, and until the other side has got all that was sent: it answers a ping after that. */
	async taken(): Promise<void> {
		await this.#opened.promise;
		this.#answered = Promise.withResolvers();
		for (const socket of this.#sockets) socket.ping();
		await this.#answered.promise;
	}
}
