/**
 * A process with one worker that is measured, which sends frames to consumers: the relay's own fan-out worker, or a bare loop.
 * The main thread appends to the log, as the sequencer does. Arguments: `fanout DIR PORT FRAME_BYTES LIVE_PER_S` or `bare DIR
 * PORT FRAME_BYTES`. It prints `ready` when it listens, and runs until it is killed.
 */

import { join } from "node:path";
import { Health } from "../../src/control/health.ts";
import { createConsumerCountBuffer } from "../../src/fanout/consumer-count.ts";
import type { FanoutWorkerOptions } from "../../src/fanout/worker.ts";
import { openSqliteStore } from "../../src/index/sqlite/store.ts";
import { createMessageTimesBuffer } from "../../src/log/message-times.ts";
import { type Failure, Thread } from "../../src/runtime/thread.ts";
import type { BareFanoutOptions } from "./bare-fanout-worker.ts";
import { PreparedLog } from "./prepared-log.ts";

const APPEND_EVERY_MS = 10;
const CONSUMERS_MAX = 10_000;
const BARE_BYTES = 64 * 1024 ** 2;

const [mode, directory = "", ...numbers] = process.argv.slice(2);
const [port = 0, frameBytes = 0, livePerS = 0] = numbers.map(Number);

if (mode === "bare") await startBare();
else await startFanout();
console.log("ready");

async function startBare(): Promise<void> {
	const worker = new Worker(new URL("./bare-fanout-worker.ts", import.meta.url).href, { name: "fanout 0" });
	const ready = new Promise((resolve) => worker.addEventListener("message", resolve, { once: true }));
	const options: BareFanoutOptions = { port, frameBytes, framesBytes: BARE_BYTES };
	worker.postMessage(options);
	await ready;
}

async function startFanout(): Promise<void> {
	const log = new PreparedLog(directory, frameBytes);
	const databasePath = join(directory, "index.sqlite");
	await openSqliteStore(databasePath).close();
	const databaseUrl = `sqlite://${databasePath}`;
	const url = new URL("../../src/fanout/worker.ts", import.meta.url);
	const fail = (thread: string, { message, stack }: Failure): never => {
		console.error(`${thread} failed: ${message}`, stack);
		process.exit(1);
	};
	const thread = new Thread<FanoutWorkerOptions, never, never>("fanout 0", url, () => {}, fail);
	// No reads are requested here, so nothing answers them.
	const { port1: readsPort } = new MessageChannel();
	const options: FanoutWorkerOptions = {
		log: log.memory,
		messageTimes: createMessageTimesBuffer(),
		config: {
			persistDir: directory,
			databaseUrl,
			logLevel: "warning",
			logFormat: "json",
			apiBind: { host: "127.0.0.1", port },
			fanoutWorkers: 1,
			siblingRelays: [],
			trustProxy: false,
			consumersPerIpMax: CONSUMERS_MAX,
			slowConsumerBytesPerS: 1,
			slowConsumerWindowMs: 3_600_000,
			publicDashboard: false,
			readsPerIpPerS: 20,
			drainTimeoutMs: 10_000,
		},
		consumersMax: CONSUMERS_MAX,
		consumerCountBuffer: createConsumerCountBuffer(CONSUMERS_MAX),
		readsPort,
		adminPasswords: [],
		health: new Health().buffer,
		worker: 0,
	};
	await thread.start(options, [readsPort]);
	if (livePerS > 0) appendForever(log);
}

function appendForever(log: PreparedLog): void {
	const startMs = performance.now();
	let appended = 0;
	setInterval(() => {
		const due = Math.floor(((performance.now() - startMs) * livePerS) / 1000) - appended;
		log.append(due);
		appended += due;
	}, APPEND_EVERY_MS);
}
