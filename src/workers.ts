/** The threads' entry files. This file must be beside `main.ts`: the compiled binary looks for them from there. */
export const WORKER_ENTRIES = {
	log: new URL("./log/worker.ts", import.meta.url),
	index: new URL("./index/worker.ts", import.meta.url),
	plc: new URL("./plc/worker.ts", import.meta.url),
	ingest: new URL("./ingest/worker.ts", import.meta.url),
	reads: new URL("./reads/worker.ts", import.meta.url),
	fanout: new URL("./fanout/worker.ts", import.meta.url),
} as const;
