import type { Sink } from "../log/follower.ts";
import { isMessageKind } from "../log/record/record.ts";
import { steadyMs } from "../runtime/steady-clock.ts";
import type { Tracer } from "../tracing/tracer.ts";

/**
 * The same sink, which also takes notes of the traced messages that it has stored.
 *
 * @param clock as `steadyMs`
 */
export function tracedSink(sink: Sink, tracer: Pick<Tracer, "isSampled" | "note">, clock = steadyMs): Sink {
	return {
		name: sink.name,
		get canGoBack() {
			return sink.canGoBack;
		},
		cursor: () => sink.cursor(),
		gap: (from, to) => sink.gap(from, to),
		caughtUp: (start) => sink.caughtUp(start),
		async apply(records) {
			const beganMs = clock();
			const cursor = await sink.apply(records);
			const endedMs = clock();
			for (const { lsn, kind, host, upstreamSeq } of records) {
				const isStored = lsn <= cursor && isMessageKind(kind);
				if (isStored && tracer.isSampled(host, upstreamSeq))
					tracer.note({ type: "indexed", host, upstreamSeq, beganMs, endedMs });
			}
			return cursor;
		},
	};
}
