import { join } from "node:path";
import type { Receipt } from "./recording-consumer.ts";

/** Requests to the consumers' process, one at a time. */
export type ConsumersRequest =
	/** Connects so many consumers that count frames. */
	| { kind: "count"; origin: string; consumers: number }
	/** Connects one consumer that keeps the frames. */
	| { kind: "record"; origin: string; cursor: number | null }
	/** Answers when all consumers together have got so many frames since they connected, or no frame has come for `stallMs`. */
	| { kind: "await"; frames: number; stallMs: number }
	| { kind: "receipts" }
	| { kind: "close" };

export type ConsumersReply =
	| { kind: "done" }
	| { kind: "counted"; count: Count }
	| { kind: "receipts"; receipts: Receipt[]; closed: boolean }
	| { kind: "failed"; message: string };

/** The number of frames that came, and when the last one was noticed, by `wallClockMs`. */
export interface Count {
	frames: number;
	atMs: number;
}

/**
 * All consumers of a measurement, in a process of their own, so that their cost is not counted as the load's or the relay's.
 */
export class ConsumerProcess {
	readonly #child: Bun.Subprocess;
	#reply: PromiseWithResolvers<ConsumersReply> | null = null;

	constructor() {
		this.#child = Bun.spawn([process.execPath, join(import.meta.dir, "consumers.ts")], {
			stdio: ["ignore", "inherit", "inherit"],
			ipc: (reply: ConsumersReply) => this.#reply?.resolve(reply),
			onExit: () => this.#reply?.reject(new Error("the consumers' process ended")),
		});
	}

	get pid(): number {
		return this.#child.pid;
	}

	/** @throws {Error} if the relay refuses one of them */
	async count(origin: string, consumers: number): Promise<void> {
		await this.#ask({ kind: "count", origin, consumers });
	}

	/** @param cursor null for live messages only */
	async record(origin: string, cursor: number | null): Promise<void> {
		await this.#ask({ kind: "record", origin, cursor });
	}

	async received(frames: number, stallMs: number): Promise<Count> {
		const reply = await this.#ask({ kind: "await", frames, stallMs });
		if (reply.kind !== "counted") throw new Error(`the consumers answered ${reply.kind}`);
		return reply.count;
	}

	/** What the recording consumer has received, and whether the relay has closed its connection. */
	async receipts(): Promise<{ receipts: Receipt[]; closed: boolean }> {
		const reply = await this.#ask({ kind: "receipts" });
		if (reply.kind !== "receipts") throw new Error(`the consumers answered ${reply.kind}`);
		return reply;
	}

	/** Disconnects all consumers. */
	async close(): Promise<void> {
		await this.#ask({ kind: "close" });
	}

	async stop(): Promise<void> {
		this.#child.kill();
		await this.#child.exited;
	}

	async #ask(request: ConsumersRequest): Promise<ConsumersReply> {
		const reply = Promise.withResolvers<ConsumersReply>();
		this.#reply = reply;
		this.#child.send(request);
		const answer = await reply.promise;
		this.#reply = null;
		if (answer.kind === "failed") throw new Error(`a consumer failed: ${answer.message}`);
		return answer;
	}
}
