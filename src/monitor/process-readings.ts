import type { Figures } from "./figures.ts";
import { plainGauge, type Reading, type Sample } from "./reading.ts";

/** Of the process. Those that begin with `process_` have the names that exporters of all kinds give them. */
export const PROCESS_READINGS: readonly Reading[] = [
	{
		name: "process_cpu_seconds_total",
		kind: "counter",
		help: "processor time of the process, user and system",
		advice: "If its rate nears the number of cores, the relay needs more of them, or has too many consumers.",
		labels: {},
		read: ({ process }) => process.cpuSeconds,
	},
	plainGauge(
		"process_start_time_seconds",
		"Unix time at which the process started",
		"If it changes and you did not restart the relay, its last log lines before say why it ended.",
		({ process }) => process.startTimeSeconds,
	),
	plainGauge(
		"process_resident_memory_bytes",
		"resident memory of the process",
		"If it grows for days, see by `standpipe_memory_bytes` which part grows, and report it.",
		({ process }) => process.rssBytes,
	),
	plainGauge(
		"process_virtual_memory_bytes",
		"address space of the process, most of which is never touched",
		"Nothing to do: the runtime reserves gigabytes. The resident memory counts.",
		({ process }) => process.virtualBytes,
	),
	plainGauge(
		"process_threads",
		"threads of the process, those of the runtime included",
		"If it grows, report it: the relay makes its threads once, at the start.",
		({ process }) => process.threads,
	),
	plainGauge(
		"process_open_fds",
		"open descriptors of the process",
		"If it nears `process_max_fds`, raise the limit (`LimitNOFILE`, `ulimit -n`) and restart the relay.",
		({ openFiles }) => openFiles.open,
	),
	plainGauge(
		"process_max_fds",
		"descriptors that the process may have open",
		"If it is below 65536, raise it (`LimitNOFILE`, `ulimit -n`) before you add hosts and consumers.",
		({ openFiles }) => openFiles.max,
	),
	{
		name: "standpipe_memory_bytes",
		kind: "gauge",
		help: "resident memory by part: the threads' heaps, what is mapped from files, and the rest, which is buffers, rings, native memory and stacks",
		advice:
			"If `heap` grows for days, report it. `native` grows with consumers that don't read, by 1 MiB each, and with hosts.",
		labels: { part: "`heap`, `file`, `native`" },
		read: memoryParts,
	},
	{
		name: "standpipe_thread_heap_bytes",
		kind: "gauge",
		help: "heap of a thread, as of the last seconds",
		advice:
			"If the heap of an ingest thread is large, lower `RELAY_IDENT_CACHE_SIZE`; if another one grows for days, report it.",
		labels: { thread: "as in `/_stats`, such as `control` or `ingest 0`" },
		read: ({ threads }) => Object.entries(threads).map(([thread, { heapBytes }]) => ofThread(thread, heapBytes)),
	},
	{
		name: "standpipe_thread_buffer_bytes",
		kind: "gauge",
		help: "array buffers of a thread, as of the last seconds; memory that threads share counts in each that has it",
		advice: "If it grows for days in one thread, report it.",
		labels: { thread: "as of `standpipe_thread_heap_bytes`" },
		read: ({ threads }) => Object.entries(threads).map(([thread, { bufferBytes }]) => ofThread(thread, bufferBytes)),
	},
	plainGauge(
		"standpipe_page_cache_bytes",
		"what the system holds of files in memory for the relay's control group, nearly all of it the log; not there if the system does not tell",
		"It is given back when memory is short. If it is small while consumers replay, they read from the disk: give the machine more memory.",
		({ pageCacheBytes }) => pageCacheBytes,
	),
];

function ofThread(thread: string, value: number): Sample {
	return { labels: { thread }, value };
}

/** Null until the threads have told of their heaps. */
function memoryParts({ process: { rssBytes, fileBytes }, threads }: Figures): readonly Sample[] | null {
	const all = Object.values(threads);
	if (all.length === 0) return null;
	const heap = all.reduce((sum, { heapBytes }) => sum + heapBytes, 0);
	// The heaps were measured earlier, and may have pages that are not resident.
	const native = Math.max(0, rssBytes - fileBytes - heap);
	return Object.entries({ heap, file: fileBytes, native }).map(([part, value]) => ({ labels: { part }, value }));
}
