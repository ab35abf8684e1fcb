import { scanFrame } from "../../protocol/frame.ts";
import { Rejection } from "../../protocol/rejection.ts";
import { Firehose, type FirehoseEnd } from "../firehose.ts";
import type { FrameFaults } from "./frame-faults.ts";

/** Messages of one connection. After that it is closed. */
export const FRAMES_MAX = 2_000;
/** Bytes of one connection. */
export const STREAM_BYTES_MAX = 64 * 1024 * 1024;

/** A message as it came. */
export interface SeenMessage {
	seq: number;
	/** Of all its bytes. */
	hash: bigint;
}

/** One connection to the firehose, and what came over it. */
export class Connection {
	readonly messages: SeenMessage[] = [];
	/** Names of `#info` frames, each with how many messages came before. */
	readonly infos: { name: string; after: number }[] = [];
	/** The name in the first error frame. */
	error: string | null = null;
	/** Frames that came after an error frame. */
	afterError = 0;
	/** The `Server` header; null until the relay accepts. */
	server: string | null = null;
	/** How the connection ended, unless we closed it. */
	end: FirehoseEnd | null = null;
	/** A limit was reached, and the connection closed. */
	isFull = false;
	readonly #firehose: Firehose;
	readonly #faults: FrameFaults;
	#bytes = 0;
	#wake: () => void = () => undefined;

	constructor(relay: string, cursor: string | null, faults: FrameFaults) {
		this.#faults = faults;
		this.#firehose = new Firehose(relay, cursor, {
			opened: (server) => this.#changed(() => (this.server = server)),
			frame: (bytes) => this.#changed(() => this.#take(bytes)),
			text: () => this.#changed(() => faults.add("text", "a text message")),
			ended: (end) => this.#changed(() => (this.end = end)),
		});
	}

	get lastSeq(): number {
		return this.messages.at(-1)?.seq ?? 0;
	}

	/** Nothing more will come. */
	get isOver(): boolean {
		return this.end !== null || this.isFull;
	}

	/** Waits until the condition holds, nothing more will come, or the time is over. One wait at a time. */
	async until(condition: () => boolean, ms: number): Promise<void> {
		const done = Promise.withResolvers<void>();
		const timer = setTimeout(done.resolve, Math.max(ms, 0));
		this.#wake = () => {
			if (condition() || this.isOver) done.resolve();
		};
		this.#wake();
		await done.promise;
		clearTimeout(timer);
		this.#wake = () => undefined;
	}

	close(): void {
		this.#firehose.close();
	}

	#changed(change: () => void): void {
		change();
		this.#wake();
	}

	#take(frame: Buffer): void {
		this.#bytes += frame.length;
		if (this.error !== null) this.afterError++;
		try {
			this.#scan(frame);
		} catch (error) {
			if (!(error instanceof Rejection)) throw error;
			this.#faults.add(error.reason === "frame-too-large" ? "limits" : "malformed", error.message);
		}
		if (this.messages.length < FRAMES_MAX && this.#bytes < STREAM_BYTES_MAX) return;
		this.isFull = true;
		this.#firehose.close();
	}

	#scan(frame: Buffer): void {
		const scanned = scanFrame(frame);
		if (scanned.kind === "ignored") this.#faults.add("unknown-type", "an op or type that the protocol does not have");
		else if (scanned.kind === "info") this.infos.push({ name: scanned.name, after: this.messages.length });
		else if (scanned.kind === "error") this.error ??= scanned.error;
		else {
			const { message, repairs } = scanned;
			const { seq } = message;
			if (repairs !== null)
				this.#faults.add(
					"malformed",
					`seq ${seq}: ${[...repairs.keys()].join(", ") || "the header"} is not as required`,
				);
			if (seq <= this.lastSeq) this.#faults.add("order", `seq ${seq} after ${this.lastSeq}`);
			this.#faults.addOfBlocks(frame, message);
			this.messages.push({ seq, hash: Bun.hash.wyhash(frame) });
		}
	}
}
