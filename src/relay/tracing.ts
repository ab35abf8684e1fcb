import type { Config } from "../config/settings.ts";
import type { Counters } from "../observe/counters.ts";
import { logOf } from "../observe/log.ts";
import { Collector } from "../tracing/collector.ts";
import { openOtlp } from "../tracing/otlp.ts";
import { tracesUrl } from "../tracing/traces-url.ts";
import type { SharedMemory } from "./shared-memory.ts";

/** Begins to collect and send traces. Null if messages are not traced. */
export async function startTracing(
	config: Config,
	{ traceNotes }: SharedMemory,
	counters: Counters,
): Promise<Collector | null> {
	const url = tracesUrl(config);
	if (url === null || traceNotes === null) return null;
	const { tracesRatio, serviceName, fanoutWorkers } = config;
	const send = await openOtlp({ url, serviceName });
	const { log, index, ingest, fanout } = traceNotes;
	const [salt = 0] = crypto.getRandomValues(new Int32Array(1));
	logOf("tracing").info("traces of {ratio} of all messages are sent to {host}", {
		ratio: tracesRatio,
		host: new URL(url).host,
	});
	return new Collector({
		notes: [...ingest, log, index, ...fanout],
		fanoutThreads: fanoutWorkers,
		...{ send, counters, salt },
	});
}
