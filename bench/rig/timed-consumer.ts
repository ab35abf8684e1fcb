import { scanFrame } from "../../src/protocol/frame.ts";

/** A consumer that notes when each commit arrives. */
export class TimedConsumer {
	/** In ms of `performance.now`, by the frame's name. */
	readonly arrivedMs = new Map<string, number>();
	#socket: WebSocket | null = null;

	/** @param origin such as `ws://127.0.0.1:2470` */
	async connect(origin: string): Promise<void> {
		const socket = new WebSocket(`${origin}/xrpc/com.atproto.sync.subscribeRepos`);
		socket.binaryType = "arraybuffer";
		socket.addEventListener("message", ({ data }) => {
			const nowMs = performance.now();
			this.arrivedMs.set(frameName(new Uint8Array(data)), nowMs);
		});
		const opened = Promise.withResolvers<void>();
		socket.addEventListener("open", () => opened.resolve());
		socket.addEventListener("error", () => opened.reject(new Error(`${origin} refused the consumer`)));
		await opened.promise;
		this.#socket = socket;
	}

	close(): void {
		this.#socket?.close();
	}
}

/** DID and rev of a commit. They identify it, although a relay changes its seq. */
export function frameName(frame: Uint8Array): string {
	const scanned = scanFrame(frame);
	if (scanned.kind !== "message" || scanned.message.type !== "commit") throw new Error("the load is commits only");
	return `${scanned.message.did} ${scanned.message.rev}`;
}
