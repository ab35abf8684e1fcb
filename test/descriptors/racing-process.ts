import { closeSync } from "node:fs";
import { isMainThread, parentPort, Worker } from "node:worker_threads";
import { isTooManyFiles, reserveHeadroom, withHeadroom } from "../../src/descriptors/headroom.ts";
import { Libc } from "../../src/descriptors/libc.ts";
import { fill, open } from "./files.ts";

/**
 * To be run with a low limit of open files. Several threads open and close files of the reserve at once, while everything below it is
 * taken. Prints how many of their files they could not open, and the limits before and after.
 */
const THREADS = 4;
const FILES_PER_THREAD = 20_000;

/** How many of a thread's files could not be opened. */
function race(): number {
	let failed = 0;
	for (let at = 0; at < FILES_PER_THREAD; at++) {
		try {
			closeSync(withHeadroom(open));
		} catch (error) {
			if (!isTooManyFiles(error)) throw error;
			failed++;
		}
	}
	return failed;
}

async function main(): Promise<void> {
	const workers = Array.from({ length: THREADS }, () => new Worker(import.meta.filename));
	const next = (worker: Worker) => new Promise<number>((resolve) => worker.once("message", resolve));
	await Promise.all(workers.map(next));
	const before = reserveHeadroom();
	fill(open);
	const failures = workers.map(next);
	for (const worker of workers) worker.postMessage(null);
	const failed = (await Promise.all(failures)).reduce((sum, count) => sum + count);
	process.stdout.write(JSON.stringify({ before, after: Libc.open()?.openLimit() ?? null, failed }), () =>
		process.exit(0),
	);
}

if (isMainThread) await main();
else {
	parentPort?.once("message", () => parentPort?.postMessage(race()));
	parentPort?.postMessage(0);
}
