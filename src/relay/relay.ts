// relay/: puts the threads together, starts and stops them. No rule of the protocol is here.

import { mkdirSync } from "node:fs";
import type { AlertWatch } from "../alerts/watch.ts";
import type { Config } from "../config/settings.ts";
import type { Health } from "../control/health.ts";
import type { Live } from "../dashboard/live.ts";
import { budgetDescriptors } from "../descriptors/budget.ts";
import type { DescriptorGuard } from "../descriptors/guard.ts";
import type { HostManager } from "../hosts/manager.ts";
import type { Bootstrap } from "../hosts/sources/bootstrap.ts";
import { indexFolder } from "../index/open.ts";
import { openPatientReader } from "../index/patient-reader.ts";
import type { IndexReader } from "../index/store.ts";
import type { IndexEvent } from "../index/worker.ts";
import { Appender } from "../log/appender.ts";
import { logOf } from "../observe/log.ts";
import type { Quota } from "../policy/quota.ts";
import { tellUntold } from "../policy/untold.ts";
import { startOnPath } from "../runtime/start-error.ts";
import { systemTiming } from "../runtime/timing.ts";
import type { Collector } from "../tracing/collector.ts";
import { VERSION } from "../version.ts";
import { WORKER_ENTRIES } from "../workers.ts";
import { startAlerts } from "./alerts.ts";
import { type ControlOwners, createControl } from "./control.ts";
import { createCounts } from "./counts.ts";
import { startGuard } from "./descriptor-guard.ts";
import { watchHealth } from "./health.ts";
import { createHostManager, startBootstrap } from "./host-manager.ts";
import { serveInternal } from "./internal-port.ts";
import { loadPolicy } from "./policy.ts";
import { controlHandover, createSharedMemory } from "./shared-memory.ts";
import { StoppableStart } from "./stoppable-start.ts";
import {
	createThreads,
	delaysOf,
	type FanoutThread,
	type Listeners,
	startIndex,
	startIngest,
	startLog,
	startMirror,
	startPublicPort,
	type Threads,
} from "./threads.ts";
import { startTracing } from "./tracing.ts";

/** The parts of a running relay. */
interface Parts {
	threads: Threads;
	/** The control thread's reader of the index. */
	reader: IndexReader;
	hosts: HostManager;
	bootstrap: Bootstrap;
	quota: Quota;
	live: Live;
	internal: Bun.Server<undefined>;
	guard: DescriptorGuard | null;
	/** Null if messages are not traced. */
	tracing: Collector | null;
	/** Null if there is nobody to alert. */
	alerts: AlertWatch | null;
}

export interface RelayOptions {
	/** Called when a thread dies. It must end the process. */
	onFailure: Listeners["onFailure"];
	/** Aborted when the relay is to stop. It ends a start, which may wait for the index for any time. */
	stop?: AbortSignal;
	/** The ingest workers' entry file. A bench passes its own, to measure without an engine. */
	ingestEntry?: URL;
}

/** A running relay. It starts the threads, and stops them in the order in which data flows. */
export class Relay {
	readonly #parts: Parts;

	private constructor(parts: Parts) {
		this.#parts = parts;
	}

	/**
	 * Starts everything: first the log, which recovers; then the index, which catches up with it; then the threads that write to
	 * the log or read from it.
	 *
	 * @throws StartError if the settings can't work on this machine
	 * @throws StartStopped
	 */
	static async start(
		config: Config,
		{ onFailure, stop, ingestEntry = WORKER_ENTRIES.ingest }: RelayOptions,
	): Promise<Relay> {
		await makeFolders(config);
		const { adminPasswords } = config;
		const counts = createCounts();
		const health = watchHealth(counts.totals, stop);
		let hosts: HostManager | undefined;
		let control: ControlOwners | undefined;
		// Index events before the fan-out threads start need not reach them: they start from what the index holds by then.
		let fanout: readonly FanoutThread[] = [];
		const threads = createThreads(config, ingestEntry, {
			onLogStall: (reason) => {
				health.log = reason;
			},
			onIndexEvent: (event) => passOn(event, health, control, fanout),
			onHostEvent: (event) => hosts?.onEvent(event),
			onPlaces: (event) => control?.quota.onPlaces(event),
			onLenient: ({ hostnames }) => control?.ratchet.noteLenient(hostnames),
			control: () => control?.served,
			onFailure,
		});
		const budget = budgetDescriptors(config);
		const consumersMax = budget?.consumersMax ?? config.consumersMax;
		const shared = createSharedMemory(config, consumersMax);
		const tracing = await startTracing(config, shared, counts.own);
		const common = { config, shared, totals: counts.totals };
		await startLog(threads.log, common);
		// Health says what the rest of the start waits for, such as a database.
		const known = { config, shared, counts, health, threads, budget, adminPasswords };
		const { live, internal } = await serveInternal(known, { hosts: () => hosts, served: () => control?.served });
		const stoppable = new StoppableStart(stop, () => threads.log.drain());
		await stoppable.step(startIndex(threads.index, common));
		const reader = await stoppable.step(openPatientReader(config.databaseUrl, shared.log.marks, counts.own));
		const handover = controlHandover(shared, counts.own);
		const appender = new Appender(handover, systemTiming);
		const policy = await stoppable.step(loadPolicy(config, reader, appender));
		hosts = createHostManager(config, shared, counts.own, reader, handover, policy, {
			command: (worker, command) => threads.ingest[worker]?.command(command),
			delays: (hostId) => delaysOf(threads.ingest, hostId),
		});
		const logStall = (): string | null => health.log;
		const writes = { appender, counters: counts.own, logStall, live };
		control = await stoppable.step(createControl({ config, hosts, ...policy, reader, ...threads, ...writes }));
		// After the host manager, which sees whether the log is new, and before the threads that may append other values.
		await stoppable.step(tellUntold(reader, appender));
		await stoppable.step(startMirror(threads.mirror, common));
		await stoppable.step(startIngest(threads.ingest, common, policy.policies.strictness()));
		fanout = threads.fanout;
		await stoppable.step(startPublicPort(threads, common, { consumersMax, adminPasswords, health: health.buffer }));
		stoppable.end();
		await hosts.start();
		health.isStarting = false;
		const guard = startGuard(config, counts, budget, () => closeIdle(threads, internal));
		announce(config, internal, adminPasswords.length > 0);
		const alerts = await startAlerts({ ...common, counts, health, hosts, ...control, ...threads });
		const bootstrap = startBootstrap(config, hosts, counts.own);
		return new Relay({ threads, reader, hosts, bootstrap, ...control, live, internal, guard, alerts, tracing });
	}

	/**
	 * Stops without losing anything. Hosts are no longer read; messages on their way become durable; cursors are stored;
	 * consumers get what is published and are told to come back. They have half of `drainTimeoutMs` for that.
	 */
	async drain(): Promise<void> {
		const { threads, reader, hosts, bootstrap, quota, live, internal, guard, alerts, tracing } = this.#parts;
		const { log, index, mirror, ingest, reads, fanout } = threads;
		void bootstrap.stop();
		hosts.stop();
		quota.stop();
		const alertsSaved = alerts?.stop();
		await Promise.all([...ingest.map((thread) => thread.drain()), mirror?.drain()]);
		await log.drain();
		await Promise.all([...fanout.map((thread) => thread.drain()), index.drain()]);
		await Promise.all([reads.drain(), alertsSaved]);
		await reader.close();
		guard?.stop();
		live.stop();
		await tracing?.stop();
		await internal.stop(true);
	}
}

function closeIdle({ fanout }: Threads, internal: Bun.Server<undefined>): void {
	for (const thread of fanout) thread.command({ type: "closeIdle" });
	internal.closeIdleConnections();
}

/** Gives an event of the index to whom it concerns. */
function passOn(
	event: IndexEvent,
	health: Health,
	control: ControlOwners | undefined,
	fanout: readonly FanoutThread[],
): void {
	if (event.type === "stall") health.index = event.reason;
	else if (event.type === "recounts") control?.quota.noteRecounts(event.recounts);
	else for (const thread of fanout) thread.command(event);
}

function announce({ apiBind: { host, port } }: Config, internal: Bun.Server<undefined>, hasAdmin: boolean): void {
	logOf("relay").info("standpipe {version} serves on {api}, the dashboard and metrics on {metrics}", {
		version: VERSION,
		api: `${host}:${port}`,
		metrics: `${internal.hostname}:${internal.port}`,
	});
	if (!hasAdmin) logOf("relay").info("the admin API is off, since it has no password");
}

async function makeFolders({ persistDir, databaseUrl }: Config): Promise<void> {
	await startOnPath("persistDir", persistDir, () => mkdirSync(persistDir, { recursive: true }));
	const databaseFolder = indexFolder(databaseUrl);
	if (databaseFolder !== null)
		await startOnPath("databaseUrl", databaseFolder, () => mkdirSync(databaseFolder, { recursive: true }));
}
