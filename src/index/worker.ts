import type { DiskFaultReason } from "../log/disk-fault.ts";
import { LogHead } from "../log/head.ts";
import { systemLogFs } from "../log/log-fs.ts";
import { LogReader } from "../log/reader.ts";
import { Stall } from "../log/stall.ts";
import { Counters } from "../observe/counters.ts";
import { type LOG_LEVELS, setUpLog } from "../observe/log.ts";
import { endThreadOnFailure, serveRole, type WorkerRole } from "../thread.ts";
import { IndexFollower } from "./follower.ts";
import { openSqliteWriter } from "./sqlite.ts";
import type { IndexWriter } from "./store.ts";

export interface IndexOptions {
	/** The log's directory. */
	directory: string;
	databasePath: string;
	headBuffer: SharedArrayBuffer;
	counters: { buffer: SharedArrayBuffer; thread: number };
	logLevel: (typeof LOG_LEVELS)[number];
}

/** One reader with one cursor has no use for a batch a second time. */
const CACHE_BYTES_MAX = 4 * 1024 * 1024;

/**
 * Ready when the index has caught up with the log as it was published at the start. Takes no commands. Emits why the
 * database can't be written, each time that changes.
 */
serveRole<IndexOptions, never, DiskFaultReason | null>((emit): WorkerRole<IndexOptions, never> => {
	let reader: LogReader;
	let writer: IndexWriter;
	let follower: IndexFollower;
	let running: Promise<void>;

	async function start({ directory, databasePath, headBuffer, counters, logLevel }: IndexOptions): Promise<void> {
		setUpLog(logLevel);
		const row = new Counters(counters.buffer, counters.thread);
		const head = new LogHead(headBuffer);
		reader = new LogReader({ directory, head, fs: systemLogFs, cacheBytesMax: CACHE_BYTES_MAX, counters: row });
		writer = openSqliteWriter(databasePath);
		const stall = new Stall({ part: "index", counters: row, clock: Date.now, onChange: emit });
		follower = new IndexFollower(writer, reader, head, row, { stall, sleep: Bun.sleep });
		await follower.catchUp();
		running = follower.run();
		endThreadOnFailure(running);
	}

	async function drain(): Promise<void> {
		follower.stop();
		await running;
		await writer.close();
		reader.close();
	}

	return { start, command: () => {}, drain };
});
