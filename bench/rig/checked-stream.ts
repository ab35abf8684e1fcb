import { scanFrame } from "../../src/protocol/frame.ts";
import type { Message } from "../../src/protocol/kinds/table.ts";
import type { MessageLedger } from "./message-ledger.ts";
import type { SeenFrames } from "./seen-frames.ts";

/** The name of a message among those of its account. */
export function messageName(message: { type: string; rev?: unknown; active?: unknown; status?: unknown }): string {
	if (message.type === "identity") return "identity";
	if (message.type === "account") return `account ${message.active} ${message.status ?? ""}`;
	return `${message.type} ${message.rev}`;
}

/** One consumer's connections, one after the other. Each frame is compared with what the other consumers got. */
export class CheckedStream {
	/** Seq of the last message; null before the first. */
	lastSeq: number | null = null;
	frames = 0;
	/** Error frames and notices that came, by name. */
	readonly notices = new Map<string, number>();
	readonly #url: string;
	readonly #ledger: MessageLedger;
	readonly #seen: SeenFrames;
	readonly #onMessage: ((message: Message) => void) | null;
	#socket: WebSocket | null = null;
	/** Whether the next message may have any seq: it is the first of a consumer without a place, or comes after a notice. */
	#isFree = true;

	/** @param origin such as `ws://127.0.0.1:2470` */
	constructor(
		origin: string,
		ledger: MessageLedger,
		seen: SeenFrames,
		onMessage: ((message: Message) => void) | null = null,
	) {
		this.#url = `${origin}/xrpc/com.atproto.sync.subscribeRepos`;
		this.#ledger = ledger;
		this.#seen = seen;
		this.#onMessage = onMessage;
	}

	get isOpen(): boolean {
		return this.#socket?.readyState === WebSocket.OPEN;
	}

	/**
	 * Connects. Resolves once the connection is open.
	 *
	 * @param cursor null for the live end
	 * @throws {Error} if the relay refuses
	 */
	async connect(cursor: number | null): Promise<void> {
		const socket = new WebSocket(cursor === null ? this.#url : `${this.#url}?cursor=${cursor}`);
		socket.binaryType = "arraybuffer";
		this.#socket = socket;
		this.#isFree = cursor === null || cursor === 0;
		this.lastSeq = cursor;
		const opened = Promise.withResolvers<void>();
		socket.onopen = () => opened.resolve();
		socket.onmessage = ({ data }) => {
			// What a connection had in its buffers when it was left is of no interest.
			if (socket === this.#socket && data instanceof ArrayBuffer) this.#receive(new Uint8Array(data));
		};
		socket.onclose = ({ code }) => opened.reject(new Error(`the connection was closed with ${code}`));
		await opened.promise;
	}

	/** Stops reading from the socket, so that data piles up at the relay. */
	pause(): void {
		this.#socket?.pause();
	}

	resume(): void {
		this.#socket?.resume();
	}

	/** Leaves, with a closing handshake or without one. */
	leave(isPolite: boolean): void {
		const socket = this.#socket;
		this.#socket = null;
		if (isPolite) socket?.close(1000);
		else socket?.terminate();
	}

	#receive(frame: Uint8Array): void {
		const scanned = scanFrame(frame);
		if (scanned.kind !== "message") {
			const name = scanned.kind === "info" ? scanned.name : scanned.kind === "error" ? scanned.error : "ignored";
			this.notices.set(name, (this.notices.get(name) ?? 0) + 1);
			this.#isFree = true;
			return;
		}
		const { message } = scanned;
		this.frames++;
		this.#checkSeq(message.seq);
		this.lastSeq = message.seq;
		if (!this.#seen.note(message.seq, message.did, frame)) {
			this.#ledger.fault(`${message.did}: two consumers got different bytes as seq ${message.seq}`);
		}
		this.#onMessage?.(message);
	}

	#checkSeq(seq: number): void {
		const last = this.lastSeq;
		if (last !== null && seq <= last) this.#ledger.fault(`seq ${seq} came after ${last}`);
		else if (last !== null && seq > last + 1 && !this.#isFree && !this.#seen.mayLeaveOut(last, seq)) {
			this.#ledger.fault(`seq ${seq} came after ${last}, and what is between them did not`);
		}
		this.#isFree = false;
	}
}
