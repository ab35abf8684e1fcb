import { MESSAGE_TIMES_MAX, type MessageTimes } from "../log/message-times.ts";
import type { Counters } from "../observe/counters.ts";
import { histogram, LATENCY_BOUNDS_S } from "../observe/metric.ts";
import { steadyMs } from "../runtime/steady-clock.ts";
import type { Tracer } from "../tracing/tracer.ts";

const messageFanoutSeconds = histogram(
	"message_fanout_seconds",
	"how long a message took from its publication in the log to the socket of a live consumer; each turn of a consumer counts its oldest " +
		"message",
	"If it is high, the fan-out threads have too much to do: look at the processor and at the consumers, and raise `RELAY_FANOUT_WORKERS` if cores are free.",
	LATENCY_BOUNDS_S,
);
const hostToConsumerSeconds = histogram(
	"host_to_consumer_seconds",
	"how long a message took from its host's socket to the socket of a live consumer; each turn of a consumer counts its oldest message",
	"If p99 is high, find the stage that takes the time: `standpipe_message_intake_seconds`, `…_admission_seconds`, `…_log_seconds` or `…_fanout_seconds`.",
	LATENCY_BOUNDS_S,
);

/** Records at the beginning of a turn that may have no times, such as control records, before the turn is not counted. */
const UNTIMED_MAX = 16;

/** How a fan-out thread traces messages. */
export interface DeliveryTracing {
	tracer: Pick<Tracer, "note">;
	/** Number of the thread. */
	thread: number;
}

export interface DeliveriesOptions {
	/** Null if messages are not traced. */
	tracing?: DeliveryTracing | null;
	/** As `steadyMs`. */
	clock?: () => number;
}

/** Counts how long messages took to the sockets of a thread's consumers. */
export class Deliveries {
	readonly #times: MessageTimes;
	readonly #counters: Counters;
	readonly #tracing: DeliveryTracing | null;
	readonly #clock: () => number;
	/** Up to this lsn, traced messages were given to a live consumer. */
	#tracedLsn = 0;

	constructor(times: MessageTimes, counters: Counters, { tracing = null, clock = steadyMs }: DeliveriesOptions = {}) {
		this.#times = times;
		this.#counters = counters;
		this.#tracing = tracing;
		this.#clock = clock;
	}

	/** Counts a turn in which a live consumer was given the records after `afterLsn` up to `lastLsn`. */
	turned(afterLsn: number, lastLsn: number): void {
		if (this.#tracing !== null) this.#trace(this.#tracing, afterLsn, lastLsn);
		const endLsn = Math.min(lastLsn, afterLsn + UNTIMED_MAX);
		for (let lsn = afterLsn + 1; lsn <= endLsn; lsn++) {
			const receivedMs = this.#times.receivedMs(lsn);
			if (receivedMs === 0) continue;
			const nowMs = this.#clock();
			// The thread may have been quicker than the sequencer's note.
			this.#counters.time(messageFanoutSeconds, this.#times.publishedMs(lsn) || nowMs, nowMs);
			this.#counters.time(hostToConsumerSeconds, receivedMs, nowMs);
			return;
		}
	}

	/** Takes notes of the traced messages that no other consumer of this thread was given before. */
	#trace({ tracer, thread }: DeliveryTracing, afterLsn: number, lastLsn: number): void {
		const fromLsn = Math.max(afterLsn, this.#tracedLsn, lastLsn - MESSAGE_TIMES_MAX) + 1;
		this.#tracedLsn = Math.max(this.#tracedLsn, lastLsn);
		for (let lsn = fromLsn; lsn <= lastLsn; lsn++) {
			if (!this.#times.isTraced(lsn)) continue;
			const endedMs = this.#clock();
			tracer.note({ type: "delivered", lsn, thread, beganMs: this.#times.publishedMs(lsn) || endedMs, endedMs });
		}
	}
}
