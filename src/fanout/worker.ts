import { createAdminApp } from "../http/admin.ts";
import { createXrpcApp } from "../http/xrpc.ts";
import { patientReader } from "../index/patient-reader.ts";
import type { IndexReader } from "../index/store.ts";
import type { TakedownEvent } from "../index/worker.ts";
import { openLogReader } from "../log/access.ts";
import { BackgroundReader } from "../log/local/read/background-reader.ts";
import type { LogReader } from "../log/local/read/reader.ts";
import { LogPosition } from "../log/position.ts";
import type { Counters } from "../observe/counters.ts";
import { logOf } from "../observe/log.ts";
import { type ReadAnswer, ReadRequests } from "../reads/requests.ts";
import { contain } from "../runtime/boundary.ts";
import { startListening } from "../runtime/start-error.ts";
import { serveRole, type WorkerRole } from "../runtime/thread.ts";
import type { WorkerContext } from "../runtime/worker-context.ts";
import { Admission } from "./admission.ts";
import {
	type CrawlRequestEvent,
	CrawlRequests,
	type CrawlResultCommand,
	type ResetCursorEvent,
} from "./crawl-requests.ts";
import { createFanoutServer, type FanoutServer } from "./server.ts";
import { subscribeRepos } from "./subscribe-repos.ts";
import { WITHHELD_MAX, Withheld } from "./withheld.ts";

type UsedSettings =
	| "apiBind"
	| "fanoutWorkers"
	| "adminPassword"
	| "trustProxy"
	| "consumersPerIpMax"
	| "slowConsumerBytesPerS"
	| "slowConsumerWindowMs"
	| "drainTimeoutMs";

/** The index is there: its writer has made it. */
export interface FanoutWorkerOptions extends WorkerContext<UsedSettings> {
	/** To the thread that reads the index for us. */
	readsPort: MessagePort;
	/** Consumers of all fan-out threads together, and where they are counted. */
	consumersMax: number;
	admissionBuffer: SharedArrayBuffer;
}

/** Descriptors are short. */
export interface CloseIdleCommand {
	type: "closeIdle";
}

export type FanoutCommand = CrawlResultCommand | TakedownEvent | CloseIdleCommand;
export type FanoutEvent = CrawlRequestEvent | ResetCursorEvent;

/** Of the log, kept for consumers that read the same, by all fan-out threads. */
const LOG_CACHE_BYTES = 64 * 1024 * 1024;
/** What one of them has of it at least: blocks enough that those loaded for some consumers don't drive out others'. */
const LOG_CACHE_BYTES_MIN = 8 * 1024 * 1024;
/** How often segments that retention has removed are looked for among those that are open. */
const CLOSE_REMOVED_MS = 1_000;

/** Ready when it listens. */
serveRole<FanoutWorkerOptions, FanoutCommand, FanoutEvent>((emit): WorkerRole<FanoutWorkerOptions, FanoutCommand> => {
	const crawls = new CrawlRequests(emit);
	const requestCrawl = crawls.request.bind(crawls);
	let index: IndexReader;
	let reader: LogReader;
	let server: FanoutServer;
	let head: LogPosition;
	let withheld: Withheld;
	let drainTimeoutMs = 0;

	async function start(options: FanoutWorkerOptions, counters: Counters): Promise<void> {
		const { config } = options;
		// The other half is for what comes before and after.
		drainTimeoutMs = config.drainTimeoutMs / 2;
		head = new LogPosition(options.log.position);
		const cacheBytesMax = Math.max(Math.floor(LOG_CACHE_BYTES / config.fanoutWorkers), LOG_CACHE_BYTES_MIN);
		reader = openLogReader(options.log, { directory: config.persistDir, cacheBytesMax, counters });
		// Consumers that are live read nothing while the log stands still, such as for want of the space that this gives back.
		setInterval(() => contain("the timer for removed segments", () => reader.closeRemoved()), CLOSE_REMOVED_MS);
		index = patientReader(config.databasePath, counters);
		withheld = new Withheld(counters);
		const { firstSeq } = head.snapshot();
		withheld.update((await index.takenDownSince(firstSeq, WITHHELD_MAX)).reverse(), firstSeq);
		const { readsPort } = options;
		const reads = new ReadRequests((request) => readsPort.postMessage(request));
		readsPort.onmessage = (event) => reads.settle(event.data as ReadAnswer);
		const app = createXrpcApp({
			read: (target, ip) => reads.read(target, ip),
			lookAtIndex: () => index.checkpoint(),
			requestCrawl,
			counters,
		});
		const resetCursor = crawls.resetCursor.bind(crawls);
		app.route("/", createAdminApp({ password: config.adminPassword, requestCrawl, resetCursor }));
		const { consumersMax, admissionBuffer } = options;
		const { apiBind, consumersPerIpMax, trustProxy } = config;
		const admission = new Admission({ consumersMax, consumersPerIpMax }, admissionBuffer);
		server = await startListening("apiBind", apiBind, (host) =>
			createFanoutServer({
				host,
				streams: [subscribeRepos],
				port: apiBind.port,
				sharesPort: config.fanoutWorkers > 1,
				trustProxy,
				floor: { bytesPerS: config.slowConsumerBytesPerS, windowMs: config.slowConsumerWindowMs },
				head,
				reader: new BackgroundReader(reader),
				admission,
				counters,
				withheld,
				app: (request, client) => app.fetch(request, client),
			}),
		);
		logOf("fanout").info("the firehose is served on {host}:{port}", { host: apiBind.host, port: server.port });
	}

	async function drain(): Promise<void> {
		await server.drain(drainTimeoutMs);
		await index.close();
		reader.close();
	}

	function command(message: FanoutCommand): void {
		if (message.type === "closeIdle") {
			server.closeIdle();
			return;
		}
		if (message.type === "takedowns") withheld.update(message.takedowns, head.snapshot().firstSeq);
		else crawls.settle(message.id, message.result);
	}

	return { start, command, drain };
});
