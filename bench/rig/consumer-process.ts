import { join } from "node:path";
import type { Receipt } from "./recording-consumer.ts";

/** What the consumers' process is told. It has one request at a time. */
export type ConsumersRequest =
	/** Connects so many consumers that count frames. */
	| { kind: "count"; origin: string; consumers: number }
	/** Connects one that remembers them. */
	| { kind: "record"; origin: string; cursor: number | null }
	/** Answers once so many frames came since the consumers connected, over all of them, or none came for `stallMs`. */
	| { kind: "await"; frames: number; stallMs: number }
	| { kind: "receipts" }
	| { kind: "close" };

export type ConsumersReply =
	| { kind: "done" }
	| { kind: "counted"; count: Count }
	| { kind: "receipts"; receipts: Receipt[]; closed: boolean }
	| { kind: "failed"; message: string };

/** Frames that came, and when the last of them was seen, as `wallClockMs` has it. */
export interface Count {
	frames: number;
	atMs: number;
}

/** All consumers of a measurement, in one process of their own, so that what they cost is not the load's or the relay's. */
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

	/** @throws {Error} where the relay refuses one of them */
	async count(origin: string, consumers: number): Promise<void> {
		await this.#ask({ kind: "count", origin, consumers });
	}

	/** @param cursor null for what is live only */
	async record(origin: string, cursor: number | null): Promise<void> {
		await this.#ask({ kind: "record", origin, cursor });
	}

	async received(frames: number, stallMs: number): Promise<Count> {
		const reply = await this.#ask({ kind: "await", frames, stallMs });
		if (reply.kind !== "counted") throw new Error(`the consumers answered ${reply.kind}`);
		return reply.count;
	}

	/** What the recording consumer has had, and whether the relay has closed its connection. */
	async receipts(): Promise<{ receipts: Receipt[]; closed: boolean }> {
		const reply = await this.#ask({ kind: "receipts" });
		if (reply.kind !== "receipts") throw new Error(`the consumers answered ${reply.kind}`);
		return reply;
	}

	/** Disconnects them all. */
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
