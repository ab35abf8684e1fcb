import { createAdminApp } from "../http/admin.ts";
import { createXrpcApp } from "../http/xrpc.ts";
import { patientReader } from "../index/patient-reader.ts";
import type { IndexReader } from "../index/store.ts";
import type { TakedownEvent } from "../index/worker.ts";
import { LogHead } from "../log/local/head.ts";
import { systemLogFs } from "../log/local/log-fs.ts";
import { BackgroundReader } from "../log/local/read/background-reader.ts";
import { LogReader } from "../log/local/read/reader.ts";
import { Counters } from "../observe/counters.ts";
import { type LOG_LEVELS, logOf, setUpLog } from "../observe/log.ts";
import { type ReadAnswer, ReadRequests } from "../reads/requests.ts";
import { contain } from "../runtime/boundary.ts";
import { startListening } from "../runtime/start-error.ts";
import { serveRole, type WorkerRole } from "../runtime/thread.ts";
import { Admission, type AdmissionLimits } from "./admission.ts";
import {
	type CrawlRequestEvent,
	CrawlRequests,
	type CrawlResultCommand,
	type ResetCursorEvent,
} from "./crawl-requests.ts";
import type { PaceFloor } from "./pace.ts";
import { createFanoutServer, type FanoutServer } from "./server.ts";
import { WITHHELD_MAX, Withheld } from "./withheld.ts";

export interface FanoutWorkerOptions {
	/** The log's directory. */
	directory: string;
	/** The index, which its writer has made. */
	databasePath: string;
	headBuffer: SharedArrayBuffer;
	counters: { buffer: SharedArrayBuffer; thread: number };
	logLevel: (typeof LOG_LEVELS)[number];
	/** Where to listen. */
	host: string;
	port: number;
	/** Whether other fan-out threads listen there too. */
	sharesPort: boolean;
	/** Bytes of the log kept for consumers that read the same. */
	cacheBytesMax: number;
	/** Null turns the admin API off. */
	adminPassword: string | null;
	trustProxy: boolean;
	/** To the thread that reads the index for us. */
	readsPort: MessagePort;
	floor: PaceFloor;
	/** Of all fan-out threads together. */
	admission: { limits: AdmissionLimits; buffer: SharedArrayBuffer };
	/** How long a drain waits for consumers to take what is published. */
	drainTimeoutMs: number;
}

/** Descriptors are short. */
export interface CloseIdleCommand {
	type: "closeIdle";
}

export type FanoutCommand = CrawlResultCommand | TakedownEvent | CloseIdleCommand;
export type FanoutEvent = CrawlRequestEvent | ResetCursorEvent;

/** How often segments that retention has removed are looked for among those that are open. */
const CLOSE_REMOVED_MS = 1_000;

/** Ready when it listens. */
serveRole<FanoutWorkerOptions, FanoutCommand, FanoutEvent>((emit): WorkerRole<FanoutWorkerOptions, FanoutCommand> => {
	const crawls = new CrawlRequests(emit);
	const requestCrawl = crawls.request.bind(crawls);
	let index: IndexReader;
	let reader: LogReader;
	let server: FanoutServer;
	let head: LogHead;
	let withheld: Withheld;
	let drainTimeoutMs = 0;

	async function start(options: FanoutWorkerOptions): Promise<void> {
		drainTimeoutMs = options.drainTimeoutMs;
		setUpLog(options.logLevel);
		const counters = new Counters(options.counters.buffer, options.counters.thread);
		head = new LogHead(options.headBuffer);
		reader = new LogReader({ ...options, head, fs: systemLogFs, counters });
		// Consumers that are live read nothing while the log stands still, such as for want of the space that this gives back.
		setInterval(() => contain("the timer for removed segments", () => reader.closeRemoved()), CLOSE_REMOVED_MS);
		index = patientReader(options.databasePath, counters);
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
		app.route("/", createAdminApp({ password: options.adminPassword, requestCrawl, resetCursor }));
		const admission = new Admission(options.admission.limits, options.admission.buffer);
		server = await startListening("apiBind", options, (host) =>
			createFanoutServer({
				...options,
				host,
				head,
				reader: new BackgroundReader(reader),
				admission,
				counters,
				withheld,
				app: (request, client) => app.fetch(request, client),
			}),
		);
		logOf("fanout").info("the firehose is served on {host}:{port}", { host: options.host, port: server.port });
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
