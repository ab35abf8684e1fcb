import { type CidLink, decode, decodeFirst } from "@atcute/cbor";
import type { FirehoseEvent } from "./event.ts";

const OPEN_DEADLINE_MS = 240_000;

interface Message {
	seq: number;
	did: string;
	repo: string;
	rev: string;
	ops: { action: string; path: string; cid: CidLink | null }[];
	handle?: string;
	active: boolean;
	status?: string;
}

/** An event, and when it came, by this process's clock: events of an account that has moved have no other order. */
export type HeardEvent = FirehoseEvent & { heardAtMs: number };

/** The firehose of a PDS, read directly. The relay's stream is compared with it. */
export class HostFirehose {
	readonly events: HeardEvent[] = [];
	/** The error that ended the stream too early. */
	fault: string | null = null;
	readonly #hostname: string;
	#socket: WebSocket | null = null;

	/** @param hostname of the PDS: `localhost:PORT` */
	constructor(hostname: string) {
		this.#hostname = hostname;
	}

	/** Connects, and reads on after the last event. Resolves when it is connected. */
	open(): Promise<void> {
		const cursor = this.events.at(-1)?.seq ?? 0;
		const socket = new WebSocket(`ws://${this.#hostname}/xrpc/com.atproto.sync.subscribeRepos?cursor=${cursor}`);
		this.#socket = socket;
		socket.binaryType = "arraybuffer";
		socket.addEventListener("message", ({ data }) => {
			try {
				const event = decodeFrame(new Uint8Array(data as ArrayBuffer));
				this.events.push({ ...event, heardAtMs: performance.now() });
			} catch (error) {
				this.fault = String(error);
			}
		});
		socket.addEventListener("close", ({ code, reason }) => {
			if (this.#socket === socket) this.fault ??= `closed by the host: ${code} ${reason}`;
		});
		return new Promise((resolve, reject) => {
			const timer = setTimeout(() => reject(new Error("the PDS's firehose does not open")), OPEN_DEADLINE_MS);
			socket.addEventListener("open", () => {
				clearTimeout(timer);
				resolve();
			});
		});
	}

	close(): void {
		const socket = this.#socket;
		this.#socket = null;
		socket?.close();
	}
}

function decodeFrame(frame: Uint8Array<ArrayBuffer>): FirehoseEvent {
	const [header, rest] = decodeFirst(frame) as [{ op: number; t: string }, Uint8Array<ArrayBuffer>];
	const message = decode(rest) as Message;
	if (header.op !== 1) throw new Error(`an error frame: ${JSON.stringify(message)}`);
	const { seq, did, rev } = message;
	switch (header.t) {
		case "#commit":
			return { kind: "commit", seq, did: message.repo, rev, ops: message.ops.map(describeOp) };
		case "#sync":
			return { kind: "sync", seq, did, rev };
		case "#identity":
			return { kind: "identity", seq, did, handle: message.handle ?? null };
		case "#account":
			return { kind: "account", seq, did, active: message.active, status: message.status ?? null };
		default:
			throw new Error(`a message of unknown type ${header.t}`);
	}
}

function describeOp({ action, path, cid }: Message["ops"][number]): string {
	return `${action} ${path} ${cid?.$link ?? "-"}`;
}
