import type { Control } from "../control/api.ts";
import { controlOver } from "../control/client.ts";
import type { ConsumerService } from "../control/consumers.ts";
import { Health } from "../control/health.ts";
import { isDashboardPath } from "../dashboard/paths.ts";
import { createAdminApp } from "../http/admin.ts";
import { forwardToSiblings } from "../http/siblings.ts";
import { createXrpcApp } from "../http/xrpc.ts";
import { openPatientReader } from "../index/patient-reader.ts";
import type { IndexReader } from "../index/store.ts";
import type { TakedownEvent } from "../index/worker.ts";
import { openSharedReader } from "../log/access.ts";
import type { SharedReader } from "../log/log.ts";
import { MessageTimes } from "../log/message-times.ts";
import { LogPosition } from "../log/position.ts";
import type { Counters } from "../observe/counters.ts";
import { logOf } from "../observe/log.ts";
import { READ_LIMITS, ReadRequests, type ReadsService } from "../reads/requests.ts";
import { contain } from "../runtime/boundary.ts";
import type { Requests, Served } from "../runtime/requests.ts";
import { startListening } from "../runtime/start-error.ts";
import { linkOver, serveRole, type WorkerRole } from "../runtime/thread.ts";
import type { WorkerContext } from "../runtime/worker-context.ts";
import { tracerOf } from "../tracing/tracer.ts";
import { ConsumerCount } from "./consumer-count.ts";
import { Deliveries } from "./deliveries.ts";
import { type FanoutOptions, FanoutServer } from "./server.ts";
import { subscribeRepos } from "./subscribe-repos.ts";
import { TAKEDOWNS_MAX, Takedowns } from "./takedowns.ts";

type UsedSettings =
	| "apiBind"
	| "fanoutWorkers"
	| "siblingRelays"
	| "trustProxy"
	| "consumersPerIpMax"
	| "slowConsumerBytesPerS"
	| "slowConsumerWindowMs"
	| "drainTimeoutMs"
	| "publicDashboard"
	| "readsPerIpPerS";

/** The index must exist when the worker starts: its writer makes it. */
export interface FanoutWorkerOptions extends WorkerContext<UsedSettings> {
	/** Number of this worker, from 0. */
	worker: number;
	/** Port to the reads thread, which reads the index for public XRPC requests. */
	readsPort: MessagePort;
	/** Limit of the consumers of all fan-out threads together, and the memory in which they are counted. */
	consumersMax: number;
	consumerCountBuffer: SharedArrayBuffer;
	/** How the relay is, for probes. The control thread keeps it. */
	health: SharedArrayBuffer;
	/** Memory of the messages' times, which the sequencer writes. */
	messageTimes: SharedArrayBuffer;
	/** Passwords of the admin API. None turns it off. */
	adminPasswords: readonly string[];
}

/** Asks to close idle connections, since few descriptors are left. */
export interface CloseIdleCommand {
	type: "closeIdle";
}

export type FanoutCommand = TakedownEvent | CloseIdleCommand;

/** Bytes of the log that all fan-out threads together keep in memory, for consumers that read the same place. */
const LOG_CACHE_BYTES = 64 * 1024 * 1024;
/** Minimum per thread, so that consumers at different places don't evict each other's chunks. */
const LOG_CACHE_BYTES_MIN = 8 * 1024 * 1024;
/** How often open segments that retention has removed are looked for and closed. */
const CLOSE_REMOVED_MS = 1_000;

/** What a started worker has. */
interface Parts {
	index: IndexReader;
	reader: SharedReader;
	position: LogPosition;
	takedowns: Takedowns;
	server: FanoutServer;
	/** How long a drain waits for consumers to take what is published. */
	drainTimeoutMs: number;
}

/** The fan-out worker: serves the public port. Ready when it listens. */
class FanoutWorker implements WorkerRole<FanoutWorkerOptions, FanoutCommand, ConsumerService> {
	readonly #control: Control;
	#parts: Parts | null = null;
	readonly serves: Served<ConsumerService> = {
		consumers: (afterId, limit) => this.#parts?.server.roster.consumers(afterId, limit) ?? [],
		dropConsumer: (id) => this.#parts?.server.roster.dropConsumer(id) ?? null,
	};

	constructor(control: Requests<Control>) {
		this.#control = controlOver(control);
	}

	async start(options: FanoutWorkerOptions, counters: Counters): Promise<void> {
		const { config, worker, consumersMax, consumerCountBuffer } = options;
		const position = new LogPosition(options.log.position);
		const cacheBytesMax = Math.max(Math.floor(LOG_CACHE_BYTES / config.fanoutWorkers), LOG_CACHE_BYTES_MIN);
		const reader = openSharedReader(options.log, { directory: config.persistDir, cacheBytesMax, counters });
		// By a timer, not by the reads: while the log does not grow, live consumers read nothing. It may not grow because the disk is full,
		// and closing removed segments gives space back.
		setInterval(() => contain("the timer for removed segments", () => reader.closeRemoved()), CLOSE_REMOVED_MS);
		const index = await openPatientReader(config.databaseUrl, options.log.marks, counters);
		const takedowns = new Takedowns(counters);
		const { firstLsn } = position.snapshot();
		takedowns.update((await index.takenDownSince(firstLsn, TAKEDOWNS_MAX)).reverse(), firstLsn);
		const answer = await this.#createAnswer(options, counters);
		const { apiBind, consumersPerIpMax, trustProxy } = config;
		const deliveries = createDeliveries(options, counters);
		const server = await startListening(
			"apiBind",
			apiBind,
			(host) =>
				new FanoutServer({
					host,
					streams: [subscribeRepos],
					port: apiBind.port,
					thread: { worker, workers: config.fanoutWorkers },
					sharesPort: config.fanoutWorkers > 1,
					trustProxy,
					floor: { bytesPerS: config.slowConsumerBytesPerS, windowMs: config.slowConsumerWindowMs },
					position,
					reader,
					consumerCount: new ConsumerCount({ consumersMax, consumersPerIpMax }, consumerCountBuffer),
					counters,
					deliveries,
					takedowns,
					app: answer,
				}),
		);
		logOf("fanout").info("the firehose is served on {host}:{port}", { host: apiBind.host, port: server.port });
		// The other half of the time is for the stages of the drain before and after this one.
		this.#parts = { index, reader, position, takedowns, server, drainTimeoutMs: config.drainTimeoutMs / 2 };
	}

	/** What the port serves besides the streams. */
	async #createAnswer(options: FanoutWorkerOptions, counters: Counters): Promise<FanoutOptions["app"]> {
		const { config, adminPasswords: passwords, readsPort, health } = options;
		const control = this.#control;
		const reads = new ReadRequests(linkOver<ReadsService>(readsPort, { limits: READ_LIMITS }));
		const forward = forwardToSiblings({ origins: config.siblingRelays, counters });
		const read = (target: string, ip: string): Promise<Response> => reads.read(target, ip);
		const app = createXrpcApp({ read, health: new Health(health), control, forward, counters });
		app.route("/", createAdminApp({ passwords, control, forward, counters }));
		if (!config.publicDashboard) return (request, client) => app.fetch(request, client);
		// It is loaded only here, since most public ports have no dashboard.
		const { createDashboardApp } = await import("../dashboard/app.ts");
		const { publicLimits } = await import("../dashboard/limits.ts");
		const limits = publicLimits(config.readsPerIpPerS);
		const dashboard = createDashboardApp({ audience: "public", control, why: read, hasAdmin: false, limits, counters });
		return (request, client) =>
			(isDashboardPath(new URL(request.url).pathname) ? dashboard : app).fetch(request, client);
	}

	command(message: FanoutCommand): void {
		if (this.#parts === null) return;
		const { server, takedowns, position } = this.#parts;
		if (message.type === "closeIdle") server.closeIdle();
		else takedowns.update(message.takedowns, position.snapshot().firstLsn);
	}

	async drain(): Promise<void> {
		if (this.#parts === null) return;
		const { server, index, reader, drainTimeoutMs } = this.#parts;
		await server.drain(drainTimeoutMs);
		await index.close();
		reader.close();
	}
}

function createDeliveries({ messageTimes, trace, worker }: FanoutWorkerOptions, counters: Counters): Deliveries {
	const tracer = tracerOf(trace, counters);
	return new Deliveries(new MessageTimes(messageTimes), counters, { tracing: tracer && { tracer, thread: worker } });
}

serveRole<FanoutWorkerOptions, FanoutCommand, never, Control, ConsumerService>(
	(_emit, control) => new FanoutWorker(control),
);
