import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import type { Config, SettingName } from "./config/settings.ts";
import type { Control } from "./control/api.ts";
import { ControlServer } from "./control/server.ts";
import { budgetDescriptors, budgetWarning, type DescriptorBudget } from "./descriptors/budget.ts";
import { countDescriptors, DescriptorGuard, openDescriptorSystem } from "./descriptors/guard.ts";
import type { DiskFaultReason } from "./disk/fault.ts";
import { createAdmissionBuffer } from "./fanout/admission.ts";
import type { FanoutCommand, FanoutWorkerOptions } from "./fanout/worker.ts";
import { HostLog } from "./hosts/host-log.ts";
import { HostManager } from "./hosts/manager.ts";
import type { HostCommand, HostEvent } from "./hosts/messages.ts";
import { probeHost } from "./hosts/probe.ts";
import { createEdge, withUrl } from "./http/edge.ts";
import { createInternalApp } from "./http/internal.ts";
import { patientReader } from "./index/patient-reader.ts";
import type { IndexReader } from "./index/store.ts";
import type { IndexEvent } from "./index/worker.ts";
import type { IngestOptions } from "./ingest/ingest.ts";
import { peerRingBytes } from "./ingest/peer-link.ts";
import { createLogMemory, type LogMemory } from "./log/access.ts";
import { Handover } from "./log/handover.ts";
import { LogPosition } from "./log/position.ts";
import type { SequencerStart } from "./log/worker.ts";
import { type CounterName, Counters, createCounterBuffer, readCounters } from "./observe/counters.ts";
import { logOf } from "./observe/log.ts";
import type { ReadsWorkerOptions } from "./reads/worker.ts";
import { Doorbell } from "./runtime/doorbell.ts";
import { createRingBuffer, RING_BYTES_MIN, RingWriter } from "./runtime/ring.ts";
import { startListening, startOnPath } from "./runtime/start-error.ts";
import { type Failure, Thread } from "./runtime/thread.ts";
import { systemTiming } from "./runtime/timing.ts";
import type { WorkerContext } from "./runtime/worker-context.ts";
import { USER_AGENT, VERSION } from "./version.ts";

/** From each ingest worker to the sequencer. It takes the greatest frame twice over; a power of two. */
const HANDOVER_RING_BYTES = 16 * 1024 * 1024;
const CONTROL_RING_BYTES = 64 * 1024;

type LogThread = Thread<SequencerStart, never, DiskFaultReason | null>;
type IndexThread = Thread<WorkerContext, never, IndexEvent>;
type IngestThread = Thread<IngestOptions, HostCommand, HostEvent>;
type ReadsThread = Thread<ReadsWorkerOptions, never, never>;
type FanoutThread = Thread<FanoutWorkerOptions, FanoutCommand, never, Control>;

/** The memory that threads share. */
interface Shared {
	counters: SharedArrayBuffer;
	log: LogMemory;
	sequencerDoorbell: SharedArrayBuffer;
	admission: SharedArrayBuffer;
	/** Of the control thread first, then of each ingest worker. */
	producers: { ring: SharedArrayBuffer; doorbell: SharedArrayBuffer }[];
	/** From each ingest worker to each other one. */
	peers: SharedArrayBuffer[][];
}

/** Why the log and the index can't be written; null where they can. */
interface Stalls {
	log: DiskFaultReason | null;
	index: DiskFaultReason | null;
}

/** Rows of the counters: the control thread, log, index and reads, then the ingest and fan-out workers. */
const CONTROL_ROW = 0;
const LOG_ROW = 1;
const INDEX_ROW = 2;
const READS_ROW = 3;
const FIRST_INGEST_ROW = 4;

/** A running relay: wires the threads together, and ends them in the order in which data flows. */
export class Relay {
	readonly #log: LogThread;
	readonly #index: IndexThread;
	readonly #ingest: IngestThread[];
	readonly #reads: ReadsThread;
	readonly #fanout: FanoutThread[];
	readonly #reader: IndexReader;
	readonly #hosts: HostManager;
	readonly #internal: Bun.Server<undefined>;
	readonly #guard: DescriptorGuard | null;

	private constructor(parts: {
		log: LogThread;
		index: IndexThread;
		ingest: IngestThread[];
		reads: ReadsThread;
		fanout: FanoutThread[];
		reader: IndexReader;
		hosts: HostManager;
		internal: Bun.Server<undefined>;
		guard: DescriptorGuard | null;
	}) {
		this.#log = parts.log;
		this.#index = parts.index;
		this.#ingest = parts.ingest;
		this.#reads = parts.reads;
		this.#fanout = parts.fanout;
		this.#reader = parts.reader;
		this.#hosts = parts.hosts;
		this.#internal = parts.internal;
		this.#guard = parts.guard;
	}

	/**
	 * Starts everything: first the log, which recovers; then the index, which catches up with it; then who writes and reads.
	 *
	 * @throws StartError where its settings can't work on this machine
	 * @param onFailure called when a thread dies: it has to end the process
	 * @param ingestEntry the ingest workers' entry file: a bench brings one of its own, to measure without an engine
	 */
	static async start(
		config: Config,
		onFailure: (thread: string, failure: Failure) => never,
		ingestEntry = new URL("./ingest/worker.ts", import.meta.url),
	): Promise<Relay> {
		await startOnPath("persistDir", config.persistDir, () => mkdirSync(config.persistDir, { recursive: true }));
		const databaseFolder = dirname(config.databasePath);
		await startOnPath("databasePath", databaseFolder, () => mkdirSync(databaseFolder, { recursive: true }));
		const budget = budgetDescriptors(config);
		const consumersMax = budget?.consumersMax ?? config.consumersMax;
		const shared = createShared(config, consumersMax);
		const url = (folder: string): URL => new URL(`./${folder}/worker.ts`, import.meta.url);
		const context = (row: number) => contextOf(config, shared, row);

		const stalls: Stalls = { log: null, index: null };
		const noteStall = (part: keyof Stalls) => (reason: DiskFaultReason | null) => {
			stalls[part] = reason;
		};
		const log: LogThread = new Thread("log", url("log"), noteStall("log"), onFailure);
		await log.start({
			...context(LOG_ROW),
			rings: shared.producers.map(({ ring, doorbell }) => ({ buffer: ring, doorbell })),
			doorbell: shared.sequencerDoorbell,
		});
		// Until there are fan-out threads nobody needs to be told: they begin with what the index holds then.
		let fanout: FanoutThread[] = [];
		const onIndexEvent = (event: IndexEvent): void => {
			if (event.type === "stall") noteStall("index")(event.reason);
			else for (const thread of fanout) thread.command(event);
		};
		const index: IndexThread = new Thread("index", url("index"), onIndexEvent, onFailure);
		await index.start(context(INDEX_ROW));

		const reader = patientReader(config.databasePath, new Counters(shared.counters, CONTROL_ROW));
		const hosts = createHostManager(config, shared, reader, (worker, command) => ingest[worker]?.command(command));
		const ingest = shared.peers.map(
			(_, worker): IngestThread =>
				new Thread(`ingest ${worker}`, ingestEntry, (event) => hosts.onEvent(event), onFailure),
		);
		await Promise.all(
			ingest.map((thread, worker) =>
				thread.start({ ...context(FIRST_INGEST_ROW + worker), ...ingestOptions(shared, worker) }),
			),
		);

		const channels = Array.from({ length: config.fanoutWorkers }, () => new MessageChannel());
		const reads = await startReads(context(READS_ROW), channels, onFailure);
		const control = new ControlServer(hosts);
		fanout = Array.from({ length: config.fanoutWorkers }, (_, worker): FanoutThread => {
			return new Thread(`fanout ${worker}`, url("fanout"), () => undefined, onFailure, control);
		});
		if (config.fanoutWorkers > 1) await startListening("apiBind", config.apiBind, (host) => checkPort(host, config));
		await Promise.all(
			fanout.map((thread, worker) =>
				thread.start(
					{
						...context(FIRST_INGEST_ROW + ingest.length + worker),
						consumersMax,
						admissionBuffer: shared.admission,
						readsPort: at(channels, worker).port1,
					},
					[at(channels, worker).port1],
				),
			),
		);
		const internal = await startListening("metricsListen", config.metricsListen, (hostname) =>
			serveInternal(hostname, config.metricsListen.port, shared, stalls, budget),
		);
		await hosts.start();
		const guard = startGuard(config, shared, budget, () => {
			for (const thread of fanout) thread.command({ type: "closeIdle" });
			internal.closeIdleConnections();
		});
		logOf("relay").info("standpipe {version} serves on {api}, metrics on {metrics}", {
			version: VERSION,
			api: `${config.apiBind.host}:${config.apiBind.port}`,
			metrics: `${internal.hostname}:${internal.port}`,
		});
		return new Relay({ log, index, ingest, reads, fanout, reader, hosts, internal, guard });
	}

	/**
	 * Ends with nothing left behind: hosts are no longer read, what is on its way becomes durable, cursors are stored,
	 * consumers get what is published and are told to come back. Consumers have half of `drainTimeoutMs` for it.
	 */
	async drain(): Promise<void> {
		this.#hosts.stop();
		await Promise.all(this.#ingest.map((thread) => thread.drain()));
		await this.#log.drain();
		await Promise.all([...this.#fanout.map((thread) => thread.drain()), this.#index.drain()]);
		await this.#reads.drain();
		await this.#reader.close();
		this.#guard?.stop();
		await this.#internal.stop(true);
	}
}

function createShared(config: Config, consumersMax: number): Shared {
	const { ingestWorkers: workers } = config;
	const peerBytes = peerRingBytes(workers);
	const producer = (ringBytes: number) => ({
		ring: createRingBuffer(ringBytes),
		doorbell: new Doorbell().buffer,
	});
	return {
		counters: createCounterBuffer(FIRST_INGEST_ROW + workers + config.fanoutWorkers),
		log: createLogMemory(),
		sequencerDoorbell: new Doorbell().buffer,
		admission: createAdmissionBuffer(consumersMax),
		producers: [producer(CONTROL_RING_BYTES), ...Array.from({ length: workers }, () => producer(HANDOVER_RING_BYTES))],
		peers: Array.from({ length: workers }, (_, from) =>
			Array.from({ length: workers }, (_, to) => createRingBuffer(from === to ? RING_BYTES_MIN : peerBytes)),
		),
	};
}

function contextOf(config: Config, shared: Shared, row: number): WorkerContext<SettingName> {
	return { config, counters: { buffer: shared.counters, thread: row }, log: shared.log };
}

function ingestOptions(shared: Shared, worker: number): Omit<IngestOptions, keyof WorkerContext> {
	const [, ...producers] = shared.producers;
	const doorbellOf = (number: number): SharedArrayBuffer => at(producers, number).doorbell;
	return {
		worker,
		handovers: producers.map(({ ring }) => ring),
		peers: shared.peers.flatMap((inbounds, other) =>
			other === worker
				? []
				: [
						{
							worker: other,
							outbound: at(at(shared.peers, worker), other),
							inbound: at(inbounds, worker),
							doorbell: doorbellOf(other),
						},
					],
		),
		doorbell: doorbellOf(worker),
		sequencerDoorbell: shared.sequencerDoorbell,
	};
}

/** Fails where anybody listens at the public port. Fan-out threads share it, and would share it with another relay too. */
function checkPort(hostname: string, { apiBind: { port } }: Config): void {
	Bun.listen({ hostname, port, socket: { data: () => undefined } }).stop(true);
}

/** Starts the thread that reads the index for the fan-out threads, each of which has a channel to it. */
async function startReads(
	context: WorkerContext<"readsPerIpPerS">,
	channels: readonly MessageChannel[],
	onFailure: ConstructorParameters<typeof Thread>[3],
): Promise<ReadsThread> {
	const ports = channels.map(({ port2 }) => port2);
	const thread: ReadsThread = new Thread(
		"reads",
		new URL("./reads/worker.ts", import.meta.url),
		() => undefined,
		onFailure,
	);
	await thread.start({ ...context, ports }, ports);
	return thread;
}

function createHostManager(
	config: Config,
	shared: Shared,
	reader: IndexReader,
	command: (worker: number, command: HostCommand) => void,
): HostManager {
	const counters = new Counters(shared.counters, CONTROL_ROW);
	const ring = new RingWriter(at(shared.producers, 0).ring);
	const handover = new Handover(0, ring, new Doorbell(shared.sequencerDoorbell), counters);
	const hostLog = new HostLog(handover, systemTiming);
	return new HostManager({
		reader,
		workers: config.ingestWorkers,
		command,
		append: (facts) => hostLog.append(facts),
		probe: (host, allowInsecure) => probeHost(host, { guard: { allowInsecure }, userAgent: USER_AGENT }),
		clock: { nowMs: () => performance.now(), sleep: Bun.sleep, date: () => new Date() },
		counters,
		allowInsecureHosts: config.allowInsecureHosts,
		disableRequestCrawl: config.disableRequestCrawl,
		newHostsPerDayMax: config.newHostsPerDayMax,
	});
}

/**
 * Begins to keep strangers from taking all descriptors, where the system lets us see to it, and warns if there are too few
 * for what the settings allow.
 */
function startGuard(
	config: Config,
	shared: Shared,
	budget: DescriptorBudget | null,
	closeIdle: () => void,
): DescriptorGuard | null {
	const system = openDescriptorSystem();
	// A port that the system chooses is a test's own.
	if (budget === null || system === null || config.apiBind.port === 0) return null;
	const counts = (): Record<CounterName, number> => readCounters(shared.counters).counters;
	const warning = budgetWarning(budget, config, counts().hosts_known);
	if (warning !== null) logOf("relay").warning(warning);
	const consumersPerIpMax = Math.min(budget.consumersMax, config.consumersPerIpMax);
	// As many consumers of one network may connect at once as it may have.
	const plainPerNetworkMax = Math.min(budget.plainMax, Math.max(budget.plainPerNetworkMax, consumersPerIpMax));
	const guard = new DescriptorGuard({
		system,
		port: config.apiBind.port,
		limits: {
			plainMax: budget.plainMax,
			// All connections come from the proxy.
			plainPerNetworkMax: config.trustProxy ? null : plainPerNetworkMax,
			answeredPerNetworkMax: config.trustProxy ? null : plainPerNetworkMax + consumersPerIpMax,
		},
		expected: () => {
			const { hosts_connected: hosts, consumers_connected: consumers } = counts();
			return Math.min(budget.own, budget.limit / 4) + hosts + consumers;
		},
		counters: new Counters(shared.counters, CONTROL_ROW),
		closeIdle,
	});
	guard.start();
	return guard;
}

function serveInternal(
	hostname: string,
	port: number,
	shared: Shared,
	stalls: Stalls,
	budget: DescriptorBudget | null,
): Bun.Server<undefined> {
	const position = new LogPosition(shared.log.position);
	const own = new Counters(shared.counters, CONTROL_ROW);
	const app = createInternalApp({
		counters: shared.counters,
		own,
		log: () => {
			const { firstSeq, lastSeq } = position.snapshot();
			return { firstSeq, lastSeq, appliedSeq: position.applied() };
		},
		health: () => faultOf(stalls, readCounters(shared.counters).counters.index_reads_stalled > 0),
		openFiles: () => ({ open: countDescriptors(), max: budget?.limit ?? 0 }),
	});
	return Bun.serve({
		hostname,
		port,
		...createEdge<undefined, Response>((request, url) => app.fetch(withUrl(request, url)), own),
	});
}

/** What is wrong, in words, or null. A thread that dies takes the process with it, so there is only what can be waited for. */
function faultOf({ log, index }: Stalls, isReadStalled: boolean): string | null {
	const faults: string[] = [];
	if (log !== null) faults.push(`the log can't be written (${log}): hosts are paused, consumers get what is there`);
	if (index !== null) faults.push(`the index can't be written (${index}): the log goes on without it`);
	if (isReadStalled) faults.push("the index can't be read: what needs it waits");
	return faults.length === 0 ? null : faults.join("; ");
}

function at<T>(items: readonly T[], index: number): T {
	const item = items[index];
	if (item === undefined) throw new RangeError(`no item ${index} of ${items.length}`);
	return item;
}
