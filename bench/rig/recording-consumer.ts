import { decodeFirst } from "@atcute/cbor";

/** A commit that a consumer got. A tuple, since thousands of them are sent from process to process. */
export type Receipt = [did: string, rev: string, seq: number, atMs: number];

/**
 * A consumer that keeps every frame with the time of its receipt. It decodes them only in `receipts`, so that decoding does not
 * delay what is measured.
 */
export class RecordingConsumer {
	closed = false;
	readonly #frames: { data: ArrayBuffer; atMs: number }[] = [];
	#socket: WebSocket | null = null;

	get received(): number {
		return this.#frames.length;
	}

	/**
	 * Resolves once the connection is open.
	 * @param cursor null for live messages only
	 * @throws {Error} if the relay refuses
	 */
	async connect(origin: string, cursor: number | null): Promise<void> {
		const url = `${origin}/xrpc/com.atproto.sync.subscribeRepos`;
		const socket = new WebSocket(cursor === null ? url : `${url}?cursor=${cursor}`);
		socket.binaryType = "arraybuffer";
		this.#socket = socket;
		const opened = Promise.withResolvers<void>();
		socket.onopen = () => opened.resolve();
		socket.onmessage = ({ data }) => {
			if (data instanceof ArrayBuffer) this.#frames.push({ data, atMs: wallClockMs() });
		};
		socket.onclose = ({ code, reason }) => {
			this.closed = true;
			opened.reject(new Error(`the connection was closed with ${code} ${reason}`));
		};
		await opened.promise;
	}

	close(): void {
		this.#socket?.close();
	}

	/** The commits that came, in that order. Other messages of the stream are left out. */
	receipts(): Receipt[] {
		return this.#frames.flatMap(({ data, atMs }) => {
			const [header, rest] = decodeFirst(new Uint8Array(data)) as [{ t?: string }, Uint8Array];
			if (header.t !== "#commit") return [];
			const [{ repo, rev, seq }] = decodeFirst(rest) as [{ repo: string; rev: string; seq: number }, Uint8Array];
			return [[repo, rev, seq, atMs] satisfies Receipt];
		});
	}
}

/** Milliseconds since 1970 with fractions, comparable between the processes of the machine. */
export function wallClockMs(): number {
	return performance.timeOrigin + performance.now();
}
