import { decodeFirst } from "@atcute/cbor";

/** A message as a consumer got it. */
export interface SimEvent {
	seq: number;
	type: string;
	did: string;
	rev: string | null;
	ops: { action: string; path: string; cid: string | null }[];
	/** Of an `#account`; null for all else. */
	active: boolean | null;
	status: string | null;
	/** The message's own `time`, in ms since 1970. */
	timeMs: number;
	receivedAtMs: number;
	frameBytes: number;
}

interface DecodedOp {
	action: string;
	path: string;
	cid: { $link: string } | null;
}

interface DecodedPayload {
	seq: number;
	did?: string;
	repo?: string;
	rev?: string;
	active?: boolean;
	status?: string;
	time?: string;
	ops?: DecodedOp[];
	name?: string;
	error?: string;
}

export interface SimConsumerOptions {
	/** How many events are kept in `events`. Older ones are only counted. */
	eventsMax?: number;
	/** Called with each event. */
	onEvent?: (event: SimEvent) => void;
	/** Called with each frame before it is decoded. */
	onFrame?: (frame: Uint8Array) => void;
	/** Frames are counted and given to `onFrame`, but not decoded: there are no events, infos, errors or cursor. */
	framesOnly?: boolean;
}

/** A consumer of a firehose, as a third party would write it. It decodes every frame and checks the order. */
export class SimConsumer {
	readonly events: SimEvent[] = [];
	/** Names of the `#info` messages that came; `errors` has those of the error frames. */
	readonly infos: string[] = [];
	readonly errors: string[] = [];
	readonly closes: { code: number; reason: string }[] = [];
	received = 0;
	/** Messages whose seq was not greater than the last one's. */
	orderViolations = 0;
	/** Messages whose seq did not follow right after the last one's: what a consumer takes for a loss. */
	seqGaps = 0;
	/** Commits and syncs whose rev was less than the DID's last one. */
	revViolations = 0;
	readonly #url: string;
	readonly #options: SimConsumerOptions;
	readonly #lastRevs = new Map<string, string>();
	readonly #waiting = new Set<() => void>();
	#lastSeq: number | null = null;
	#socket: WebSocket | null = null;

	/** @param origin such as `ws://127.0.0.1:2470` */
	constructor(origin: string, options: SimConsumerOptions = {}) {
		this.#url = `${origin}/xrpc/com.atproto.sync.subscribeRepos`;
		this.#options = options;
	}

	/** Seq of the last message, which is the cursor to go on from; null before the first. */
	get cursor(): number | null {
		return this.#lastSeq;
	}

	get connected(): boolean {
		return this.#socket?.readyState === WebSocket.OPEN;
	}

	/** Connects, by default from the last message on. Resolves once the connection is open. */
	async connect(cursor: number | null = this.#lastSeq): Promise<void> {
		const socket = new WebSocket(cursor === null ? this.#url : `${this.#url}?cursor=${cursor}`);
		socket.binaryType = "arraybuffer";
		this.#socket = socket;
		const opened = Promise.withResolvers<void>();
		socket.onopen = () => opened.resolve();
		socket.onmessage = (message) => this.#receive(message.data);
		socket.onclose = (close) => {
			this.closes.push({ code: close.code, reason: close.reason });
			opened.reject(new Error(`the connection was closed with ${close.code} ${close.reason}`));
			this.#wake();
		};
		await opened.promise;
	}

	/** Closes the connection and waits until it is closed. */
	async disconnect(): Promise<void> {
		const socket = this.#socket;
		if (socket === null || socket.readyState === WebSocket.CLOSED) return;
		const count = this.closes.length;
		socket.close(1000);
		await this.until(() => this.closes.length > count);
	}

	/** Drops the connection, and with it all that was not read yet. */
	abort(): void {
		this.#socket?.terminate();
	}

	/** Stops reading from the socket, so that data piles up at the sender. */
	pause(): void {
		this.#socket?.pause();
	}

	resume(): void {
		this.#socket?.resume();
	}

	/**
	 * Waits until `condition` holds. It is checked after each message and each close.
	 * @throws {Error} after `timeoutMs`
	 */
	async until(condition: () => boolean, timeoutMs = 240_000): Promise<void> {
		if (condition()) return;
		const done = Promise.withResolvers<void>();
		const check = (): void => {
			if (condition()) done.resolve();
		};
		const timer = setTimeout(
			() => done.reject(new Error(`after ${timeoutMs} ms and ${this.received} messages: not (${condition})`)),
			timeoutMs,
		);
		this.#waiting.add(check);
		try {
			await done.promise;
		} finally {
			clearTimeout(timer);
			this.#waiting.delete(check);
		}
	}

	#wake(): void {
		for (const check of this.#waiting) check();
	}

	#receive(data: unknown): void {
		if (!(data instanceof ArrayBuffer)) throw new TypeError("a consumer must get binary messages only");
		this.#options.onFrame?.(new Uint8Array(data));
		if (this.#options.framesOnly === true) {
			this.received++;
			this.#wake();
			return;
		}
		const [header, rest] = decodeFirst(new Uint8Array(data)) as [{ op: number; t?: string }, Uint8Array];
		const [payload, trailing] = decodeFirst(rest) as [DecodedPayload, Uint8Array];
		if (trailing.length > 0) throw new TypeError("a frame must hold two objects only");
		if (header.op === -1) this.errors.push(payload.error ?? "");
		else if (header.t === "#info") this.infos.push(payload.name ?? "");
		else this.#record(header.t ?? "", payload, data.byteLength);
		this.#wake();
	}

	#record(t: string, payload: DecodedPayload, frameBytes: number): void {
		const event: SimEvent = {
			seq: payload.seq,
			type: t.slice(1),
			did: payload.repo ?? payload.did ?? "",
			rev: payload.rev ?? null,
			ops: (payload.ops ?? []).map(({ action, path, cid }) => ({ action, path, cid: cid?.$link ?? null })),
			active: payload.active ?? null,
			status: payload.status ?? null,
			timeMs: Date.parse(payload.time ?? ""),
			receivedAtMs: Date.now(),
			frameBytes,
		};
		this.received++;
		if (this.#lastSeq !== null && event.seq <= this.#lastSeq) this.orderViolations++;
		if (this.#lastSeq !== null && event.seq !== this.#lastSeq + 1) this.seqGaps++;
		this.#lastSeq = event.seq;
		if (event.rev !== null) {
			if (event.rev < (this.#lastRevs.get(event.did) ?? "")) this.revViolations++;
			this.#lastRevs.set(event.did, event.rev);
		}
		this.events.push(event);
		// Old events are removed many at a time, so that a long run does not shift the whole array for each message.
		const eventsMax = this.#options.eventsMax ?? Number.POSITIVE_INFINITY;
		if (this.events.length > eventsMax * 2) this.events.splice(0, this.events.length - eventsMax);
		this.#options.onEvent?.(event);
	}
}
