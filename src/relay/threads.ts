import type { Config } from "../config/settings.ts";
import type { Control } from "../control/api.ts";
import type { DiskFaultReason } from "../disk/fault.ts";
import type { FanoutCommand, FanoutWorkerOptions } from "../fanout/worker.ts";
import type { HostCommand, HostEvent } from "../hosts/messages.ts";
import type { IndexEvent } from "../index/worker.ts";
import type { IngestOptions } from "../ingest/ingest.ts";
import type { SequencerStart } from "../log/worker.ts";
import type { Totals } from "../observe/totals.ts";
import type { ReadsWorkerOptions } from "../reads/worker.ts";
import { startListening } from "../runtime/start-error.ts";
import { type Failure, Thread } from "../runtime/thread.ts";
import type { WorkerContext } from "../runtime/worker-context.ts";
import { WORKER_ENTRIES } from "../workers.ts";
import { at, contextOf, ingestMemory, type SharedMemory } from "./shared-memory.ts";

export type LogThread = Thread<SequencerStart, never, DiskFaultReason | null>;
export type IndexThread = Thread<WorkerContext, never, IndexEvent>;
export type IngestThread = Thread<IngestOptions, HostCommand, HostEvent>;
export type ReadsThread = Thread<ReadsWorkerOptions, never, never>;
export type FanoutThread = Thread<FanoutWorkerOptions, FanoutCommand, never, Control>;

/** What every thread of a relay is started with. */
export interface Common {
	config: Config;
	shared: SharedMemory;
	/** Gets what the thread counts. */
	totals: Totals;
	/** Called when a thread dies: it has to end the process. */
	onFailure: (thread: string, failure: Failure) => never;
}

/** Resolves when the log is open. */
export async function startLog(
	{ config, shared, totals, onFailure }: Common,
	onStall: (reason: DiskFaultReason | null) => void,
): Promise<LogThread> {
	const thread: LogThread = new Thread("log", WORKER_ENTRIES.log, onStall, onFailure);
	const counters = await thread.start({
		...contextOf(config, shared),
		rings: shared.producers.map(({ ring, doorbell }) => ({ buffer: ring, doorbell })),
		doorbell: shared.sequencerDoorbell,
	});
	totals.include(counters);
	return thread;
}

/** Resolves when the index has caught up with the log. */
export async function startIndex(
	{ config, shared, totals, onFailure }: Common,
	onEvent: (event: IndexEvent) => void,
): Promise<IndexThread> {
	const thread: IndexThread = new Thread("index", WORKER_ENTRIES.index, onEvent, onFailure);
	totals.include(await thread.start(contextOf(config, shared)));
	return thread;
}

/** @param entry the workers' entry file */
export async function startIngest(
	{ config, shared, totals, onFailure }: Common,
	entry: URL,
	onEvent: (event: HostEvent) => void,
): Promise<IngestThread[]> {
	const threads = Array.from({ length: config.ingestWorkers }, (_, worker): IngestThread => {
		return new Thread(`ingest ${worker}`, entry, onEvent, onFailure);
	});
	await Promise.all(
		threads.map(async (thread, worker) => {
			const options = { ...contextOf(config, shared), ...ingestMemory(shared, worker) };
			totals.include(await thread.start(options));
		}),
	);
	return threads;
}

/** Starts the thread that reads the index for the fan-out threads. @param ports one to each of these */
export async function startReads(
	{ config, shared, totals, onFailure }: Common,
	ports: MessagePort[],
): Promise<ReadsThread> {
	const thread: ReadsThread = new Thread("reads", WORKER_ENTRIES.reads, () => undefined, onFailure);
	totals.include(await thread.start({ ...contextOf(config, shared), ports }, ports));
	return thread;
}

/**
 * Makes the threads of the public port, which `startFanout` starts. What they are told from then on, they hear.
 * @param control what they may ask of the control thread
 */
export function createFanout({ config, onFailure }: Common, control: Control): FanoutThread[] {
	return Array.from({ length: config.fanoutWorkers }, (_, worker): FanoutThread => {
		return new Thread(`fanout ${worker}`, WORKER_ENTRIES.fanout, () => undefined, onFailure, control);
	});
}

/** @param ports to the reads thread, one for each */
export async function startFanout(
	{ config, shared, totals }: Common,
	threads: readonly FanoutThread[],
	{ ports, consumersMax }: { ports: readonly MessagePort[]; consumersMax: number },
): Promise<void> {
	if (config.fanoutWorkers > 1) await startListening("apiBind", config.apiBind, (host) => checkPort(host, config));
	await Promise.all(
		threads.map(async (thread, worker) => {
			const readsPort = at(ports, worker);
			const options = {
				...contextOf(config, shared),
				consumersMax,
				consumerCountBuffer: shared.consumerCount,
				readsPort,
			};
			totals.include(await thread.start(options, [readsPort]));
		}),
	);
}

/** Fails where anybody listens at the public port. Fan-out threads share it, and would share it with another relay too. */
function checkPort(hostname: string, { apiBind: { port } }: Config): void {
	Bun.listen({ hostname, port, socket: { data: () => undefined } }).stop(true);
}
