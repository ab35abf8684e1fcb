import { createServer, type Socket } from "node:net";

/** What the server does with a request. `lost` takes it, and cuts the connection before the answer. */
export type Behaviour = "ok" | "error" | "limited" | "hang" | "cut" | "redirect" | "lost";

export interface Delivery {
	id: string;
	body: unknown;
	/** Whether the sender could know that it was taken. */
	isAnswered: boolean;
}

const HEADERS = "Content-Length: 0\r\nConnection: close\r\n\r\n";

/** A webhook of the test's own, on plain sockets, which answers as it is told. */
export class WebhookServer {
	readonly deliveries: Delivery[] = [];
	requests = 0;
	/** Where it redirects to. */
	elsewhere = "http://127.0.0.1:1/";
	#next: Behaviour[] = [];
	readonly #sockets = new Set<Socket>();
	readonly #server = createServer((socket) => {
		this.#sockets.add(socket);
		socket.on("close", () => this.#sockets.delete(socket)).on("error", () => undefined);
		let text = "";
		socket.on("data", (bytes) => {
			text += bytes.toString();
			const [head = "", body = ""] = text.split("\r\n\r\n");
			const length = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? Number.NaN);
			if (Buffer.byteLength(body) < length || !text.includes("\r\n\r\n")) return;
			text = "";
			this.#answer(socket, /^idempotency-key: (\S+)/im.exec(head)?.[1] ?? "", body);
		});
	});

	async start(): Promise<void> {
		await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
	}

	get port(): number {
		const address = this.#server.address();
		return typeof address === "object" && address !== null ? address.port : 0;
	}

	/** What it does with the next requests. With those after them it does what is right. */
	plan(...behaviours: Behaviour[]): void {
		this.#next.push(...behaviours);
	}

	async stop(): Promise<void> {
		for (const socket of this.#sockets) socket.destroy();
		await new Promise((resolve) => this.#server.close(resolve));
	}

	#answer(socket: Socket, id: string, body: string): void {
		this.requests++;
		const behaviour = this.#next.shift() ?? "ok";
		if (behaviour === "ok" || behaviour === "lost")
			this.deliveries.push({ id, body: JSON.parse(body), isAnswered: behaviour === "ok" });
		if (behaviour === "hang") return;
		if (behaviour === "cut" || behaviour === "lost") socket.destroy();
		else if (behaviour === "error") socket.end(`HTTP/1.1 503 Busy\r\n${HEADERS}`);
		else if (behaviour === "limited") socket.end(`HTTP/1.1 429 Slow\r\nRetry-After: 7\r\n${HEADERS}`);
		else if (behaviour === "redirect") socket.end(`HTTP/1.1 307 Moved\r\nLocation: ${this.elsewhere}\r\n${HEADERS}`);
		else socket.end(`HTTP/1.1 204 Taken\r\n${HEADERS}`);
	}
}
