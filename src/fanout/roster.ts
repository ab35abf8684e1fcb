import { type ConsumerReport, type ConsumerService, USER_AGENT_CHARS_MAX } from "../control/consumers.ts";
import type { Served } from "../runtime/requests.ts";
import type { Consumer } from "./consumer.ts";

/** Who a consumer is. */
export interface ConsumerOrigin {
	ip: string;
	userAgent: string;
	/** Name of its stream. */
	stream: string;
}

/** Which thread the roster is of, so that no two threads give away one id. */
export interface RosterThread {
	/** From 0. */
	worker: number;
	workers: number;
}

interface Entry extends ConsumerOrigin {
	id: number;
	consumer: Consumer;
	connectedAtMs: number;
	/** When its rate was last measured, in monotonic ms, and the frames that it had been sent by then. */
	measuredAtMs: number;
	measuredFrames: number;
	framesPerS: number | null;
}

export interface RosterOptions extends RosterThread {
	/** Lsn of the log's last record. */
	lastLsn(): number;
	/** Monotonic milliseconds. */
	clock(): number;
	/** Milliseconds since 1970. */
	nowMs(): number;
}

/** The thread that has a consumer, by the consumer's id. */
export function workerOfConsumer(id: number, workers: number): number {
	return (id - 1) % workers;
}

/** The consumers of one fan-out thread, for the operator. */
export class Roster implements Served<ConsumerService> {
	readonly #options: RosterOptions;
	/** By id, in the order in which they came. */
	readonly #entries = new Map<number, Entry>();
	readonly #ids = new Map<Consumer, number>();
	#nextId: number;

	constructor(options: RosterOptions) {
		this.#options = options;
		this.#nextId = options.worker + 1;
	}

	add(consumer: Consumer, { ip, userAgent, stream }: ConsumerOrigin): void {
		const { workers, clock, nowMs } = this.#options;
		const id = this.#nextId;
		this.#nextId += workers;
		this.#ids.set(consumer, id);
		this.#entries.set(id, {
			...{ id, consumer, ip, stream, userAgent: userAgent.slice(0, USER_AGENT_CHARS_MAX).toWellFormed() },
			...{ connectedAtMs: nowMs(), measuredAtMs: clock(), measuredFrames: 0, framesPerS: null },
		});
	}

	remove(consumer: Consumer): void {
		const id = this.#ids.get(consumer);
		this.#ids.delete(consumer);
		if (id !== undefined) this.#entries.delete(id);
	}

	/** Measures the consumers' rates since the last call. To be called every few seconds. */
	measure(): void {
		const nowMs = this.#options.clock();
		for (const entry of this.#entries.values()) {
			const elapsedMs = nowMs - entry.measuredAtMs;
			if (elapsedMs <= 0) continue;
			const { framesSent } = entry.consumer;
			entry.framesPerS = (1000 * (framesSent - entry.measuredFrames)) / elapsedMs;
			entry.measuredAtMs = nowMs;
			entry.measuredFrames = framesSent;
		}
	}

	/** How many records each consumer is behind. */
	*lags(): Generator<number> {
		const lastLsn = this.#options.lastLsn();
		for (const { consumer } of this.#entries.values()) yield consumer.lag(lastLsn) ?? 0;
	}

	consumers(afterId: number, limit: number): ConsumerReport[] {
		const reports: ConsumerReport[] = [];
		for (const entry of this.#entries.values()) {
			if (reports.length >= limit) break;
			if (entry.id > afterId) reports.push(this.#report(entry));
		}
		return reports;
	}

	dropConsumer(id: number): ConsumerReport | null {
		const entry = this.#entries.get(id);
		if (entry === undefined) return null;
		entry.consumer.close(1008, "an operator ended the connection");
		return this.#report(entry);
	}

	#report({ id, consumer, ip, userAgent, stream, connectedAtMs, framesPerS }: Entry): ConsumerReport {
		const { framesSent, bytesSent, bufferedBytes } = consumer;
		const lag = consumer.lag(this.#options.lastLsn());
		return { id, ip, userAgent, stream, connectedAtMs, framesSent, bytesSent, lag, framesPerS, bufferedBytes };
	}
}
