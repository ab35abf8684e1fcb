import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DiskFaultReason } from "../../src/disk/fault.ts";
import { INDEX_MARK } from "../../src/index/mark.ts";
import { openIndexReader } from "../../src/index/open.ts";
import { createLogMemory } from "../../src/log/access.ts";
import { ActiveSegment } from "../../src/log/local/active-segment.ts";
import { systemLogFs } from "../../src/log/local/log-fs.ts";
import { LogWriter } from "../../src/log/local/write/log-writer.ts";
import { Marks } from "../../src/log/marks.ts";
import { LogPosition } from "../../src/log/position.ts";
import { Counters } from "../../src/observe/counters.ts";
import { Thread } from "../../src/runtime/thread.ts";
import type { WorkerContext } from "../../src/runtime/worker-context.ts";

test("the thread starts on an empty log, makes the index, and drains", async () => {
	const folder = mkdtempSync(join(tmpdir(), "standpipe-index-worker-"));
	const directory = join(folder, "log");
	const databaseUrl = `sqlite://${join(folder, "index.sqlite")}`;
	const memory = createLogMemory([INDEX_MARK]);
	const log = new LogWriter({
		directory,
		fs: systemLogFs,
		position: new LogPosition(memory.position),
		active: new ActiveSegment(memory.activeSegment),
		marks: new Marks(memory.marks),
		counters: new Counters(),
		clock: Date.now,
		elapsedMs: () => performance.now(),
		syncMode: "write",
		segmentBytes: 1024 * 1024,
		replayWindowMs: 3_600_000,
		initialSeq: 1,
	});
	const failed = Promise.withResolvers<never>();
	const thread = new Thread<WorkerContext<"initialSeq">, never, DiskFaultReason | null>(
		"index",
		new URL("../../src/index/worker.ts", import.meta.url),
		() => {},
		(name, error) => failed.reject(new Error(`${name}: ${error}`)),
	);
	const options: WorkerContext<"initialSeq"> = {
		config: { persistDir: directory, databaseUrl, logLevel: "error", logFormat: "json", initialSeq: 1 },
		log: memory,
	};
	await Promise.race([thread.start(options), failed.promise]);
	const reader = await openIndexReader(databaseUrl, () => 0);
	expect(await reader.checkpoint()).toBe(0);
	await reader.close();
	await Promise.race([thread.drain(), failed.promise]);
	log.close();
	rmSync(folder, { recursive: true });
});
