import { Agent } from "node:http";
import { Agent as TlsAgent } from "node:https";
import type { Attributes, HrTime } from "@opentelemetry/api";
import type { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { messageOf } from "../observe/log-value.ts";
import { SERVER_NAME, VERSION } from "../version.ts";
import type { SendSpans } from "./export.ts";
import type { StageSpan } from "./spans.ts";

type OtlpSpan = Parameters<OTLPTraceExporter["export"]>[0][number];

/** How long the receiver may be silent. The library tries again within this time. */
const TIMEOUT_MS = 10_000;
/** How long it may take to end an answer, of which it may send a byte from time to time. */
const DEADLINE_MS = 15_000;

export interface OtlpOptions {
	/** Where spans are sent to, by POST. */
	url: string;
	/** What the relay is called in traces. */
	serviceName: string;
	deadlineMs?: number;
}

/** Sends spans to a receiver by OTLP over HTTP, as JSON. Loads the libraries for that, which nothing else in the relay does. */
export async function openOtlp({ url, serviceName, deadlineMs = DEADLINE_MS }: OtlpOptions): Promise<SendSpans> {
	const [api, { OTLPTraceExporter }, { resourceFromAttributes }] = await Promise.all([
		import("@opentelemetry/api"),
		import("@opentelemetry/exporter-trace-otlp-http"),
		import("@opentelemetry/resources"),
	]);
	const isTls = new URL(url).protocol === "https:";
	const connect = () => {
		const agent = isTls ? new TlsAgent({ keepAlive: true }) : new Agent({ keepAlive: true });
		return {
			agent,
			exporter: new OTLPTraceExporter({ url, timeoutMillis: TIMEOUT_MS, httpAgentOptions: () => agent }),
		};
	};
	let connected = connect();
	const common = {
		resource: resourceFromAttributes({ "service.name": serviceName, "service.version": VERSION }),
		instrumentationScope: { name: SERVER_NAME, version: VERSION },
	};
	const toOtlp = (span: StageSpan): OtlpSpan => {
		const context = (spanId: string) => ({ traceId: span.traceId, spanId, traceFlags: api.TraceFlags.SAMPLED });
		const attributes: Attributes = span.attributes;
		return {
			...{ name: span.stage, attributes, links: [], events: [], ended: true, ...common },
			kind: span.parentId === null ? api.SpanKind.CONSUMER : api.SpanKind.INTERNAL,
			spanContext: () => context(span.spanId),
			...(span.parentId !== null && { parentSpanContext: context(span.parentId) }),
			...{ startTime: hrTime(span.beganMs), endTime: hrTime(span.endedMs) },
			duration: hrTime(span.endedMs - span.beganMs),
			status:
				span.rejection === null
					? { code: api.SpanStatusCode.UNSET }
					: { code: api.SpanStatusCode.ERROR, message: span.rejection },
			...{ droppedAttributesCount: 0, droppedEventsCount: 0, droppedLinksCount: 0 },
		};
	};
	return (spans) =>
		new Promise((resolve, reject) => {
			const { exporter, agent } = connected;
			const timer = setTimeout(() => {
				reject(new Error(`the receiver of traces at ${new URL(url).host} did not end its answer in ${deadlineMs} ms`));
				connected = connect();
				agent.destroy();
			}, deadlineMs);
			exporter.export(spans.map(toOtlp), ({ code, error }) => {
				clearTimeout(timer);
				if (code === 0) resolve();
				else reject(new Error(`the receiver of traces at ${new URL(url).host} failed: ${messageOf(error)}`));
			});
		});
}

/** Seconds and nanoseconds. Milliseconds since 1970 have no more than a quarter of a microsecond. */
function hrTime(ms: number): HrTime {
	const seconds = Math.floor(ms / 1000);
	return [seconds, Math.min(Math.round((ms - seconds * 1000) * 1_000_000), 999_999_999)];
}
