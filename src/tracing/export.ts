import type { Counters } from "../observe/counters.ts";
import { logOf } from "../observe/log.ts";
import { messageOf } from "../observe/log-value.ts";
import { counter } from "../observe/metric.ts";
import { LogLimiter } from "../runtime/log-limiter.ts";
import type { StageSpan } from "./spans.ts";

const traceSpansExported = counter(
	"trace_spans_exported_total",
	"spans of traced messages that the receiver of traces has taken",
	"If it stands still although messages are traced, look at `standpipe_trace_exports_failed_total` and at the log.",
);
const traceSpansDropped = counter(
	"trace_spans_dropped_total",
	"spans of traced messages that were dropped: the receiver of traces failed, or was too slow for them",
	"If it grows, look at the receiver of traces, or lower `OTEL_TRACES_SAMPLER_ARG`. No message is delayed.",
);
const traceExportsFailed = counter(
	"trace_exports_failed_total",
	"attempts to send spans to the receiver of traces that failed",
	"If it grows, the log says why: look at the address in `OTEL_EXPORTER_OTLP_ENDPOINT`, and whether the receiver runs.",
);

/** Spans that wait to be sent. Further ones are dropped. */
export const SPANS_MAX = 20_000;
/** Spans in one request. */
export const SPANS_PER_EXPORT_MAX = 1_000;
/** How long spans wait for others to be sent with: a request costs as much as hundreds of spans. */
export const EXPORT_INTERVAL_MS = 2_000;
const LOG_INTERVAL_MS = 60_000;

/** Sends spans. @throws Error if the receiver did not take them */
export type SendSpans = (spans: readonly StageSpan[]) => Promise<void>;

/** Sends spans in batches, one after the other. Those of a batch that fails are dropped: the receiver may have taken some of them. */
export class SpanExport {
	readonly #send: SendSpans;
	readonly #counters: Counters;
	readonly #limiter: LogLimiter;
	#waiting: StageSpan[] = [];
	#sending: Promise<void> | null = null;
	#dueMs = Number.NEGATIVE_INFINITY;

	constructor(send: SendSpans, counters: Counters) {
		this.#send = send;
		this.#counters = counters;
		this.#limiter = new LogLimiter({ intervalMs: LOG_INTERVAL_MS, keysMax: 1 });
	}

	/** Takes the spans of a trace. If too many wait, all of them are dropped. */
	add(spans: readonly StageSpan[]): void {
		if (this.#waiting.length + spans.length > SPANS_MAX) this.#counters.add(traceSpansDropped, spans.length);
		else this.#waiting.push(...spans);
	}

	/** Sends what waits if that is a full request, or if the last one was `EXPORT_INTERVAL_MS` ago. @param nowMs monotonic */
	flushIfDue(nowMs: number): void {
		if (nowMs < this.#dueMs && this.#waiting.length < SPANS_PER_EXPORT_MAX) return;
		this.#dueMs = nowMs + EXPORT_INTERVAL_MS;
		void this.flush();
	}

	/** Sends what waits, unless it is sending. Resolves when nothing waits any more. Never rejects. */
	flush(): Promise<void> {
		if (this.#sending === null && this.#waiting.length > 0)
			this.#sending = this.#sendAll().finally(() => {
				this.#sending = null;
			});
		return this.#sending ?? Promise.resolve();
	}

	async #sendAll(): Promise<void> {
		while (this.#waiting.length > 0) await this.#sendBatch(this.#waiting.splice(0, SPANS_PER_EXPORT_MAX));
	}

	async #sendBatch(batch: readonly StageSpan[]): Promise<void> {
		try {
			await this.#send(batch);
			this.#counters.add(traceSpansExported, batch.length);
		} catch (error) {
			this.#counters.add(traceExportsFailed);
			this.#counters.add(traceSpansDropped, batch.length);
			const omitted = this.#limiter.take("failed");
			if (omitted !== null)
				logOf("tracing").warning("spans could not be sent: {fault}", { fault: messageOf(error), omitted });
		}
	}
}
