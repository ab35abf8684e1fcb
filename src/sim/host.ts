import { encodeErrorFrame, encodeFrame, encodeInfoFrame, type SimMessage } from "./message.ts";

/** With this many bytes in a socket's buffer, we wait for its drain. Well below the 16 MiB at which Bun drops data. */
const BUFFERED_BYTES_MAX = 1024 * 1024;

/** Something that is sent to sockets, in order. Entries without a seq are raw sends of a test; a reconnect does not repeat them. */
interface Entry {
	seq: number | null;
	data: Uint8Array<ArrayBuffer> | string;
}

interface Connection {
	cursor: number | null;
	/** Position of the next entry to send. Positions count all entries since the host was made. */
	next: number;
	/** Entries before this position were made before the connection was. */
	joinedAt: number;
}

type Socket = Bun.ServerWebSocket<Connection>;

export interface SimHostOptions {
	/** Value of the `Server` header in its answers. */
	serverHeader?: string;
	/** Its port. If absent, the system chooses one, which another program's connection may take while the host is down. */
	port?: number;
	/** How many messages it keeps for replay. Older ones are forgotten. If absent, all are kept. */
	backlogMax?: number;
}

/** How a host answers a cursor beyond its last seq: with an error, as the specification says, or as if there were no cursor. */
export type FutureCursorAnswer = "FutureCursor" | "live";

/** A PDS as a relay sees it: `describeServer`, and a firehose with its own seqs. */
export class SimHost {
	/** The cursors that connections asked for, in order; null for a connection that asked for none. */
	readonly cursors: (number | null)[] = [];
	/** How connections ended that the other side closed or that broke, in order. */
	readonly closes: { code: number; reason: string }[] = [];
	/** What it does with a cursor beyond its last seq. A test may change it at any time. */
	onFutureCursor: FutureCursorAnswer = "FutureCursor";
	/** Value of the `Server` header in its answers. A test may change it at any time. */
	serverHeader: string | null;
	/** Whether a replay includes the message at the cursor, and not only those after it. */
	replaysInclusively = false;
	/** The answers of `getRepoStatus` by DID. For other DIDs it answers that there is no such repo. An answer may be delayed. */
	readonly repoStatuses = new Map<string, () => Response | Promise<Response>>();
	/** DIDs that `getRepoStatus` was asked for, in order, each with the `User-Agent`. */
	readonly statusRequests: { did: string | null; userAgent: string | null }[] = [];
	readonly #options: SimHostOptions;
	readonly #sockets = new Set<Socket>();
	#server: Bun.Server<Connection> | null = null;
	#port: number;
	#entries: Entry[] = [];
	/** Position of the first kept entry. */
	#firstPosition = 0;
	#lastSeq = 0;
	#forgottenSeq = 0;
	#refusals = 0;
	#hanging: PromiseWithResolvers<void> | null = null;

	constructor(options: SimHostOptions = {}) {
		this.#options = options;
		this.#port = options.port ?? 0;
		this.serverHeader = options.serverHeader ?? null;
	}

	start(): void {
		this.#server = Bun.serve<Connection>({
			hostname: "127.0.0.1",
			port: this.#port,
			fetch: (request, server) => this.#answer(request, server),
			websocket: {
				open: (socket) => this.#open(socket),
				message: () => undefined,
				drain: (socket) => this.#pump(socket),
				close: (socket, code, reason) => {
					if (this.#sockets.delete(socket)) this.closes.push({ code, reason });
				},
			},
		});
		this.#port = this.#server.port ?? 0;
	}

	/** Takes the host down; `start` brings it back on the same port, with its backlog. */
	async stop(): Promise<void> {
		this.releaseHandshakes();
		await this.#server?.stop(true);
		this.#server = null;
		this.#sockets.clear();
	}

	/** Name and port, as `requestCrawl` takes it. */
	get hostname(): string {
		return `localhost:${this.#port}`;
	}

	/** Its URL, as in a DID document's `serviceEndpoint`. */
	get endpoint(): string {
		return `http://${this.hostname}`;
	}

	get connections(): number {
		return this.#sockets.size;
	}

	/** Seq of the last message; 0 before the first. */
	get lastSeq(): number {
		return this.#lastSeq;
	}

	/** Gives a message the next seq, keeps it, and sends it to all connections. Returns its seq. */
	emit(message: SimMessage): number {
		const seq = this.#lastSeq + 1;
		this.emitFrame(encodeFrame(message, seq), seq);
		return seq;
	}

	/**
	 * Like `emit`, for a frame that was made before.
	 * @param seq the seq in the frame
	 * @throws {RangeError} if `seq` is not greater than the last one
	 */
	emitFrame(frame: Uint8Array<ArrayBuffer>, seq: number): void {
		if (seq <= this.#lastSeq) throw new RangeError(`seq ${seq} is not greater than ${this.#lastSeq}`);
		this.#lastSeq = seq;
		this.#push({ seq, data: frame });
		const { backlogMax } = this.#options;
		// Old entries are removed many at a time, so that a long run does not shift the whole array for each message.
		if (backlogMax !== undefined && this.#entries.length > backlogMax * 2) this.forget(backlogMax);
	}

	/**
	 * Gives the next seq to bytes or a text that need not be a frame, keeps them, and sends them to all connections. Each replay from
	 * before that seq sends them again. More than 5,000,000 bytes are a message that is too large. Returns the seq.
	 */
	emitUnreadable(data: Uint8Array<ArrayBuffer> | string): number {
		this.#lastSeq++;
		this.#push({ seq: this.#lastSeq, data });
		return this.#lastSeq;
	}

	/**
	 * Loses its backlog and its numbering, as a PDS that is set up anew under the same name. The next message has the seq
	 * `lastSeq + 1`. All connections are dropped.
	 */
	wipe(lastSeq = 0): void {
		this.#firstPosition += this.#entries.length;
		this.#entries = [];
		this.#lastSeq = lastSeq;
		this.#forgottenSeq = lastSeq;
		for (const socket of this.#sockets) socket.terminate();
		this.#sockets.clear();
	}

	/** Leaves out the next `count` seqs. */
	skipSeqs(count: number): void {
		this.#lastSeq += count;
	}

	/** Sends bytes, or a text message, to all connections, after what was emitted before. They are not checked, and not kept. */
	sendRaw(data: Uint8Array<ArrayBuffer> | string): void {
		this.#push({ seq: null, data });
	}

	/** Forgets all but the last `keep` entries. A connection with an older cursor gets `OutdatedCursor` and then what is left. */
	forget(keep: number): void {
		const gone = this.#entries.splice(0, Math.max(0, this.#entries.length - keep));
		this.#firstPosition += gone.length;
		this.#forgottenSeq = gone.findLast((entry) => entry.seq !== null)?.seq ?? this.#forgottenSeq;
	}

	closeAll(code: number, reason = ""): void {
		for (const socket of this.#sockets) socket.close(code, reason);
	}

	/** Answers the next `count` handshakes with 503. */
	refuse(count: number): void {
		this.#refusals = count;
	}

	/** Does not answer handshakes until `releaseHandshakes`. */
	hangHandshakes(): void {
		this.#hanging ??= Promise.withResolvers();
	}

	releaseHandshakes(): void {
		this.#hanging?.resolve();
		this.#hanging = null;
	}

	async #answer(request: Request, server: Bun.Server<Connection>): Promise<Response | undefined> {
		const headers: Record<string, string> = this.serverHeader === null ? {} : { server: this.serverHeader };
		const url = new URL(request.url);
		if (url.pathname === "/xrpc/com.atproto.server.describeServer") {
			return Response.json(
				{ did: `did:web:localhost%3A${this.#port}`, availableUserDomains: [".example.com"] },
				{ headers },
			);
		}
		if (url.pathname === "/xrpc/com.atproto.sync.getRepoStatus") return this.#repoStatus(request, url);
		if (url.pathname !== "/xrpc/com.atproto.sync.subscribeRepos") {
			return Response.json({ error: "MethodNotImplemented", message: "no such method" }, { status: 501 });
		}
		const cursor = url.searchParams.get("cursor");
		this.cursors.push(cursor === null ? null : Number(cursor));
		await this.#hanging?.promise;
		if (this.#refusals > 0) {
			this.#refusals--;
			return Response.json({ error: "ServiceUnavailable", message: "refused" }, { status: 503 });
		}
		const data: Connection = { cursor: cursor === null ? null : Number(cursor), next: 0, joinedAt: 0 };
		if (server.upgrade(request, { data, headers })) return undefined;
		return Response.json({ error: "InvalidRequest", message: "not a WebSocket handshake" }, { status: 426 });
	}

	async #repoStatus(request: Request, url: URL): Promise<Response> {
		const did = url.searchParams.get("did");
		this.statusRequests.push({ did, userAgent: request.headers.get("user-agent") });
		const answer = this.repoStatuses.get(did ?? "");
		return (
			(await answer?.()) ?? Response.json({ error: "RepoNotFound", message: `no repo for ${did}` }, { status: 400 })
		);
	}

	#open(socket: Socket): void {
		const { cursor } = socket.data;
		const end = this.#firstPosition + this.#entries.length;
		socket.data.joinedAt = end;
		socket.data.next = end;
		const isFuture = cursor !== null && cursor > this.#lastSeq;
		if (cursor !== null && !(isFuture && this.onFutureCursor === "live")) {
			if (isFuture) {
				socket.send(encodeErrorFrame("FutureCursor", "Cursor in the future."));
				socket.close(1008, "FutureCursor");
				return;
			}
			if (cursor < this.#forgottenSeq) {
				socket.send(encodeInfoFrame("OutdatedCursor", "Requested cursor exceeded limit."));
			}
			const firstSeq = this.replaysInclusively ? cursor : cursor + 1;
			const index = this.#entries.findIndex((entry) => entry.seq !== null && entry.seq >= firstSeq);
			if (index >= 0) socket.data.next = this.#firstPosition + index;
		}
		this.#sockets.add(socket);
		this.#pump(socket);
	}

	#push(entry: Entry): void {
		this.#entries.push(entry);
		for (const socket of this.#sockets) this.#pump(socket);
	}

	/** Sends what the socket has not been sent yet, until its buffer is full. Its drain event calls this again. */
	#pump(socket: Socket): void {
		const connection = socket.data;
		if (connection.next < this.#firstPosition) {
			socket.send(encodeErrorFrame("ConsumerTooSlow", "Consumer fell behind the backlog."));
			socket.close(1008, "ConsumerTooSlow");
			return;
		}
		while (socket.getBufferedAmount() < BUFFERED_BYTES_MAX) {
			const entry = this.#entries[connection.next - this.#firstPosition];
			if (entry === undefined) return;
			const isDue = entry.seq !== null || connection.next >= connection.joinedAt;
			// Zero means that the data was dropped, or is empty. If the socket is closing, the entry is sent after the reconnect.
			if (isDue && socket.send(entry.data) === 0 && entry.data.length > 0) return;
			connection.next++;
		}
	}
}
