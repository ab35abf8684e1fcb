import { Stall } from "../disk/stall.ts";
import { logIdOf, openBlockingReader } from "../log/access.ts";
import { Follower } from "../log/follower.ts";
import type { BlockingReader } from "../log/log.ts";
import { Marks } from "../log/marks.ts";
import { LogPosition } from "../log/position.ts";
import type { Counters } from "../observe/counters.ts";
import { startOnPath } from "../runtime/start-error.ts";
import { endThreadOnFailure, serveRole, type WorkerRole } from "../runtime/thread.ts";
import type { WorkerContext } from "../runtime/worker-context.ts";
import { tracerOf } from "../tracing/tracer.ts";
import { INDEX_MARK } from "./mark.ts";
import { indexPlace, openIndexWriter, openPatiently } from "./open.ts";
import { IndexSink } from "./sink.ts";
import type { Recount, Takedown } from "./store.ts";
import { StoreBroken, type StoreFaultReason, storeFaultReason } from "./store-fault.ts";
import { tracedSink } from "./traced-sink.ts";
import type { IndexWriter } from "./writer.ts";

/** Small, since the index reads each batch only once. */
const CACHE_BYTES_MAX = 4 * 1024 * 1024;

/** Sent when statuses that the log told of are in the index: which of these accounts are taken down now. */
export interface TakedownEvent {
	type: "takedowns";
	takedowns: Takedown[];
}

/** Sent when the accounts of hosts were counted anew. */
export interface RecountEvent {
	type: "recounts";
	recounts: Recount[];
}

/** Why the database can't be written; null when it can be written again. */
export interface StallEvent {
	type: "stall";
	reason: StoreFaultReason | null;
}

export type IndexEvent = TakedownEvent | RecountEvent | StallEvent;

type IndexStart = WorkerContext<"initialSeq">;

/** The index thread. Ready when the index has applied all that was published at the start. Takes no commands. */
serveRole<IndexStart, never, IndexEvent>((emit): WorkerRole<IndexStart, never> => {
	let reader: BlockingReader;
	let writer: IndexWriter;
	let follower: Follower;
	let running: Promise<void>;

	async function start({ config, log, trace }: IndexStart, counters: Counters): Promise<void> {
		const { persistDir: directory, databaseUrl, initialSeq } = config;
		const place = indexPlace(databaseUrl);
		const position = new LogPosition(log.position);
		reader = openBlockingReader(log, { directory, cacheBytesMax: CACHE_BYTES_MAX, counters });
		const claiming = { id: logIdOf(directory), lsnUsedMax: position.snapshot().lsnUsedMax, initialSeq };
		const onChange = (reason: StoreFaultReason | null): void => emit({ type: "stall", reason });
		const clock = (): number => performance.now();
		const stall = new Stall({ part: "index", counters, reasonOf: storeFaultReason, clock, onChange });
		writer = await startOnPath("databaseUrl", place, () =>
			openPatiently(databaseUrl, { stall, sleep: Bun.sleep }, () => openIndexWriter(databaseUrl, claiming)),
		);
		const sink = new IndexSink({
			writer,
			counters,
			onTakedowns: (takedowns) => emit({ type: "takedowns", takedowns }),
			onRecounts: (recounts) => emit({ type: "recounts", recounts }),
		});
		const tracer = tracerOf(trace, counters);
		follower = new Follower({
			sink: tracer === null ? sink : tracedSink(sink, tracer),
			log: reader,
			position,
			mark: new Marks(log.marks).mark(INDEX_MARK.name),
			stall,
			sleep: Bun.sleep,
		});
		await startOnPath("persistDir", directory, () =>
			follower.catchUp().catch((error: unknown) => {
				// A failure of the database is reported with the database's path, not with the log's.
				if (!(error instanceof StoreBroken)) throw error;
				return startOnPath("databaseUrl", place, () => Promise.reject(error));
			}),
		);
		running = follower.run();
		endThreadOnFailure(running);
	}

	async function drain(): Promise<void> {
		follower.stop();
		await running;
		await writer.store.close();
		reader.close();
	}

	return { start, command: () => {}, drain };
});
