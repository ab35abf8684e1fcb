import type { Config } from "../config/settings.ts";
import type { Control } from "../control/api.ts";
import type { ConsumerService } from "../control/consumers.ts";
import type { HostUsage } from "../control/host-details.ts";
import type { LastRejection } from "../control/why.ts";
import type { DiskFaultReason } from "../disk/fault.ts";
import type { FanoutCommand, FanoutWorkerOptions } from "../fanout/worker.ts";
import { DELAYED_HOSTS_MAX, type HostDelays, type HostEvent } from "../hosts/messages.ts";
import type { IndexEvent } from "../index/worker.ts";
import type { IngestCommand, IngestEvent, IngestOptions, IngestService } from "../ingest/ingest.ts";
import type { SequencerStart } from "../log/worker.ts";
import type { Totals } from "../observe/totals.ts";
import type { MirrorStart } from "../plc/worker.ts";
import type { LenientEvent, PlacesEvent } from "../policy/messages.ts";
import type { ReadsService } from "../reads/requests.ts";
import type { ReadsWorkerOptions } from "../reads/worker.ts";
import type { NoService, Served } from "../runtime/requests.ts";
import { startListening } from "../runtime/start-error.ts";
import { type Failure, Thread } from "../runtime/thread.ts";
import { ownState, type ThreadState } from "../runtime/thread-state.ts";
import type { WorkerContext } from "../runtime/worker-context.ts";
import { WORKER_ENTRIES } from "../workers.ts";
import { at, contextOf, ingestMemory, type SharedMemory } from "./shared-memory.ts";

export type LogThread = Thread<SequencerStart, never, DiskFaultReason | null>;
export type IndexThread = Thread<WorkerContext, never, IndexEvent>;
export type MirrorThread = Thread<MirrorStart, never, never>;
export type IngestThread = Thread<IngestOptions, IngestCommand, IngestEvent, NoService, IngestService>;
export type ReadsThread = Thread<ReadsWorkerOptions, never, never, Control, ReadsService>;
export type FanoutThread = Thread<FanoutWorkerOptions, FanoutCommand, never, Control, ConsumerService>;

/** All threads of a relay but the control thread. */
export interface Threads {
	log: LogThread;
	index: IndexThread;
	/** Null if the PLC directory is not mirrored. */
	mirror: MirrorThread | null;
	ingest: readonly IngestThread[];
	reads: ReadsThread;
	fanout: readonly FanoutThread[];
}

/** What receives the threads' events and answers their requests. */
export interface Listeners {
	/** Called with why the log can't be written, each time that changes; with null when it can be again. */
	onLogStall(reason: DiskFaultReason | null): void;
	onIndexEvent(event: IndexEvent): void;
	onHostEvent(event: HostEvent): void;
	onLenient(event: LenientEvent): void;
	onPlaces(event: PlacesEvent): void;
	/** Undefined until the host manager exists. */
	control(): Served<Control> | undefined;
	/** Called when a thread dies. It must end the process. */
	onFailure(thread: string, failure: Failure): never;
}

/**
 * Makes all threads; each waits for its start. A thread needs some 20 ms of a core until it can be started, so all are made at
 * once, to use all cores.
 *
 * @param ingestEntry the ingest workers' entry file
 */
export function createThreads(
	{ ingestWorkers, fanoutWorkers, plcMirror }: Config,
	ingestEntry: URL,
	{ onLogStall, onIndexEvent, onHostEvent, onLenient, onPlaces, control, onFailure }: Listeners,
): Threads {
	const onIngestEvent = (event: IngestEvent): void => {
		if (event.type === "lenient") onLenient(event);
		else if (event.type === "places") onPlaces(event);
		else onHostEvent(event);
	};
	const nothing = (): void => undefined;
	return {
		log: new Thread("log", WORKER_ENTRIES.log, onLogStall, onFailure),
		index: new Thread("index", WORKER_ENTRIES.index, onIndexEvent, onFailure),
		mirror: plcMirror ? new Thread("plc mirror", WORKER_ENTRIES.plc, nothing, onFailure) : null,
		ingest: Array.from({ length: ingestWorkers }, (_, worker): IngestThread => {
			return new Thread(`ingest ${worker}`, ingestEntry, onIngestEvent, onFailure);
		}),
		reads: new Thread("reads", WORKER_ENTRIES.reads, nothing, onFailure, control),
		fanout: Array.from({ length: fanoutWorkers }, (_, worker): FanoutThread => {
			return new Thread(`fanout ${worker}`, WORKER_ENTRIES.fanout, nothing, onFailure, control);
		}),
	};
}

/** The state of each thread now, by its name. Takes `STATE_MS_MAX` if a thread does not answer. */
export async function statesOf(threads: Threads): Promise<Record<string, ThreadState>> {
	const { log, index, mirror, ingest, reads, fanout } = threads;
	const mirrors = mirror === null ? [] : [mirror];
	const others = [log, index, ...mirrors, ...ingest, reads, ...fanout].map(async (thread) => [
		thread.name,
		await thread.state(),
	]);
	return Object.fromEntries([["control", await ownState()], ...(await Promise.all(others))]);
}

/** How long a worker may take to tell what waits. */
const DELAYS_MS_MAX = 1_000;

/**
 * What waits in the ingest workers because of limits: of this host, or of all (null). The hosts that have waited longest come first. A worker
 * that does not answer in time is left out.
 */
export async function delaysOf(threads: readonly IngestThread[], hostId: number | null): Promise<HostDelays[]> {
	const replies = await Promise.all(
		threads.map((thread) => thread.requests.request("delays", [hostId], { timeoutMs: DELAYS_MS_MAX })),
	);
	return replies
		.flatMap((reply) => (reply.answered ? reply.answer : []))
		.sort((a, b) => b.forMs - a.forMs)
		.slice(0, DELAYED_HOSTS_MAX);
}

/** What the ingest workers have counted of hosts with an id above the first one, up to the last one. */
export async function usageOf(threads: readonly IngestThread[], afterId: number, lastId: number): Promise<HostUsage[]> {
	const options = { timeoutMs: DELAYS_MS_MAX };
	const replies = await Promise.all(
		threads.map(({ requests }) => requests.request("usage", [afterId, lastId], options)),
	);
	return replies.flatMap((reply) => (reply.answered ? reply.answer : []));
}

/** Up to so many of the latest rejections of all ingest workers, the latest first. */
export async function latestRejectionsOf(threads: readonly IngestThread[], limit: number): Promise<LastRejection[]> {
	const options = { timeoutMs: DELAYS_MS_MAX };
	const replies = await Promise.all(
		threads.map(({ requests }) => requests.request("latestRejections", [limit], options)),
	);
	const found = replies.flatMap((reply) => (reply.answered ? reply.answer : []));
	return found.sort((a, b) => b.atMs - a.atMs).slice(0, limit);
}

/** What every thread of a relay is started with. */
export interface Common {
	config: Config;
	shared: SharedMemory;
	/** The thread's counters are added here. */
	totals: Totals;
}

/** Resolves when the log is open. */
export async function startLog(thread: LogThread, { config, shared, totals }: Common): Promise<void> {
	const counters = await thread.start({
		...contextOf(config, shared, shared.traceNotes?.log),
		rings: shared.producers.map(({ ring, doorbell }) => ({ buffer: ring, doorbell })),
		doorbell: shared.sequencerDoorbell,
		messageTimes: shared.messageTimes,
	});
	totals.include(counters);
}

/** Resolves when the index has caught up with the log. */
export async function startIndex(thread: IndexThread, { config, shared, totals }: Common): Promise<void> {
	totals.include(await thread.start(contextOf(config, shared, shared.traceNotes?.index)));
}

/** Resolves when the mirror's tables can be read. Does nothing if there is no mirror. */
export async function startMirror(thread: MirrorThread | null, { config, shared, totals }: Common): Promise<void> {
	if (thread !== null) totals.include(await thread.start(contextOf(config, shared)));
}

export async function startIngest(
	threads: readonly IngestThread[],
	{ config, shared, totals }: Common,
	strictness: IngestOptions["strictness"],
): Promise<void> {
	await Promise.all(
		threads.map(async (thread, worker) => {
			const options = {
				...contextOf(config, shared, shared.traceNotes?.ingest[worker]),
				...ingestMemory(shared, worker),
				strictness,
			};
			totals.include(await thread.start(options));
		}),
	);
}

/** What the fan-out threads are started with, beside settings and memory. */
export type FanoutParts = Pick<FanoutWorkerOptions, "consumersMax" | "adminPasswords" | "health">;

/** Starts the threads of the public port, and the thread that reads the index for them, with a port to each. */
export async function startPublicPort(
	{ reads, fanout }: Pick<Threads, "reads" | "fanout">,
	common: Common,
	parts: FanoutParts,
): Promise<void> {
	const { config, shared, totals } = common;
	const channels = fanout.map(() => new MessageChannel());
	const ports = channels.map(({ port2 }) => port2);
	totals.include(await reads.start({ ...contextOf(config, shared), ports }, ports));
	if (config.fanoutWorkers > 1) await startListening("apiBind", config.apiBind, (host) => checkPort(host, config));
	await Promise.all(
		fanout.map(async (thread, worker) => {
			const { port1: readsPort } = at(channels, worker);
			const options = {
				...contextOf(config, shared, shared.traceNotes?.fanout[worker]),
				...parts,
				worker,
				consumerCountBuffer: shared.consumerCount,
				messageTimes: shared.messageTimes,
				readsPort,
			};
			totals.include(await thread.start(options, [readsPort]));
		}),
	);
}

/**
 * Fails if another process listens at the public port. The fan-out threads share the port among them, and would share it with
 * another relay too.
 */
function checkPort(hostname: string, { apiBind: { port } }: Config): void {
	Bun.listen({ hostname, port, socket: { data: () => undefined } }).stop(true);
}
